// Calls to a worker and back, typed on both sides: so that the page stays smooth while something is
// verified or opened.
//
// A service is an object of functions whose arguments and results can be cloned. `serve` answers for it
// inside the worker, `connect` calls it from the page. A refusal arrives as a refusal. A worker that
// breaks, or takes longer than `timeoutMs`, is ended, and every call that waits is refused; the next call
// starts a new one.

import { Refusal, refuse, type Texts, type Values } from "../crypto/refusal";

/** Texts of this module's refusals. */
export const WORKER_TEXTS = {
  "worker.broken": "the worker stopped: {detail}",
  "worker.timeout": "the worker took longer than {seconds} s and was stopped",
  "worker.closed": "the worker was closed",
} as const satisfies Texts;

/** The longest call unless one is given, in milliseconds. */
export const TIMEOUT_MS = 60_000;

// biome-ignore lint/suspicious/noExplicitAny: arguments and results are the service's own
type Service = Record<string, (...args: any[]) => unknown>;
/** A service as the page sees it: every function gives a promise. */
export type Remote<S> = {
  [K in keyof S]: S[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

interface Call {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}
interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly refusal?: { readonly code: string; readonly message: string; readonly values: Values };
}

/** What a worker's global scope, or its other end, does. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: "message" | "error" | "messageerror", listener: (event: Event) => void): void;
}
/** A worker that can be ended. */
export interface WorkerPort extends Port {
  terminate(): void;
}

/** Answers calls, inside the worker. */
export function serve(service: Service, port: Port = globalThis as unknown as Port): void {
  port.addEventListener("message", (event) => {
    const { id, name, args } = (event as MessageEvent<Call>).data;
    void answer(service, name, args).then((result) => port.postMessage({ id, ...result }));
  });
}

async function answer(service: Service, name: string, args: readonly unknown[]): Promise<Omit<Answer, "id">> {
  try {
    const call = Object.hasOwn(service, name) ? service[name] : undefined;
    if (!call) throw new Error(`unknown call ${name}`);
    return { value: await call(...args) };
  } catch (error) {
    const known = error instanceof Refusal ? error : broken(error);
    return { refusal: { code: known.code, message: known.message, values: known.values } };
  }
}

function broken(error: unknown): Refusal {
  return refuse(WORKER_TEXTS, "worker.broken", {
    detail: error instanceof Error ? error.message : String(error),
  });
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: Refusal) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** A service in a worker that is started at the first call. `close` ends it. */
export function connect<S extends { [K in keyof S]: (...args: never[]) => unknown }>(
  start: () => WorkerPort,
  timeoutMs = TIMEOUT_MS,
): { readonly call: Remote<S>; readonly close: () => void } {
  const line = new Line(start, timeoutMs);
  const call = new Proxy({} as Remote<S>, {
    get: (_, name) =>
      typeof name === "string" && name !== "then" ? (...args: unknown[]) => line.call(name, args) : undefined,
  });
  return { call, close: () => line.end(refuse(WORKER_TEXTS, "worker.closed")) };
}

class Line {
  readonly #start: () => WorkerPort;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #worker: WorkerPort | null = null;
  #next = 0;

  constructor(start: () => WorkerPort, timeoutMs: number) {
    this.#start = start;
    this.#timeoutMs = timeoutMs;
  }

  call(name: string, args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      const seconds = this.#timeoutMs / 1000;
      const late = () => this.end(refuse(WORKER_TEXTS, "worker.timeout", { seconds }));
      this.#waiting.set(id, { resolve, reject, timer: setTimeout(late, this.#timeoutMs) });
      try {
        this.#running().postMessage({ id, name, args } satisfies Call);
      } catch (error) {
        this.#settle({ id, refusal: broken(error) });
      }
    });
  }

  /** Ends the worker and refuses what waits. */
  end(reason: Refusal): void {
    this.#worker?.terminate();
    this.#worker = null;
    for (const id of [...this.#waiting.keys()]) this.#settle({ id, refusal: reason });
  }

  #running(): WorkerPort {
    if (this.#worker) return this.#worker;
    const worker = this.#start();
    worker.addEventListener("message", (event) => {
      if (worker === this.#worker) this.#settle((event as MessageEvent<Answer>).data);
    });
    for (const type of ["error", "messageerror"] as const) {
      worker.addEventListener(type, (event) => {
        const detail = (event as ErrorEvent).message ?? type;
        if (worker === this.#worker) this.end(refuse(WORKER_TEXTS, "worker.broken", { detail }));
      });
    }
    this.#worker = worker;
    return worker;
  }

  #settle({ id, value, refusal }: Answer): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (refusal) waiting.reject(new Refusal(refusal.code, refusal.message, refusal.values));
    else waiting.resolve(value);
  }
}
