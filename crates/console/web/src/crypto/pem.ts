// PEM (RFC 7468): one block, base64 between its lines.

import { base64, fromBase64 } from "./bytes";
import { refuse, type Texts } from "./refusal";

/** Texts of this module's refusals. */
export const PEM_TEXTS = {
  "pem.malformed": "not PEM: one block '-----BEGIN {label}-----' is needed",
} as const satisfies Texts;

/** Longest text that is read, in characters. */
const PEM_MAX_CHARACTERS = 64 * 1024;

/** The label and the bytes of a text that is one block. Throws `pem.malformed`, `bytes.base64`. */
export function fromPem(text: string, wanted: string): { label: string; bytes: Uint8Array } {
  const block = /^\s*-----BEGIN ([A-Z0-9 ]+)-----\r?\n([A-Za-z0-9+/=\r\n]*)-----END ([A-Z0-9 ]+)-----\s*$/;
  const found = text.length <= PEM_MAX_CHARACTERS ? block.exec(text) : null;
  const [, label, body, end] = found ?? [];
  if (label === undefined || body === undefined || label !== end)
    throw refuse(PEM_TEXTS, "pem.malformed", { label: wanted });
  return { label, bytes: fromBase64(body.replace(/[\r\n]/g, "")) };
}

/** A block with lines of 64 characters. */
export function toPem(label: string, bytes: Uint8Array): string {
  const lines = base64(bytes).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
