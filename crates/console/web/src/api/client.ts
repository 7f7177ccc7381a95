// Requests to the console's server, typed by its OpenAPI document. Everything that isn't a good answer is
// thrown: as `Problem` when the server said so, as `Away` when it couldn't be reached.
import createClient, { type Middleware } from "openapi-fetch";
import { Away, Problem } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** What every request that changes something carries: another site's page can't add a header. */
const HEADER = { "x-sealwire-console": "1" };

/** Told when an answer says that nobody is signed in. */
let onSignedOut: () => void = () => {};

export function whenSignedOut(then: () => void): void {
  onSignedOut = then;
}

async function asProblem(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => "");
  try {
    return new Problem(response.status, JSON.parse(text));
  } catch {
    return new Problem(response.status, text.slice(0, 500));
  }
}

const errors: Middleware = {
  async onResponse({ response, schemaPath }) {
    if (response.ok) return undefined;
    if (response.status === 401 && !schemaPath.startsWith("/api/session")) onSignedOut();
    throw await asProblem(response);
  },
  onError({ error }) {
    if (error instanceof DOMException && error.name === "AbortError") return undefined;
    return new Away(error);
  },
};

export const api = createClient<paths>({ baseUrl: window.location.origin, headers: HEADER });
api.use(errors);

/** The body of a good answer; anything else was thrown already. */
export async function ok<T>(answer: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await answer;
  if (data === undefined) throw error instanceof Error ? error : new Problem(0, error);
  return data;
}

/** Bytes of an answer that isn't JSON. */
export async function bytesOf(path: string, accept: string, signal?: AbortSignal): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(path, { headers: { ...HEADER, accept }, signal });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Away(error);
  }
  if (response.status === 401) onSignedOut();
  if (!response.ok) throw await asProblem(response);
  return new Uint8Array(await response.arrayBuffer());
}
