// The repository's vectors, for tests: what the Rust crates pin, read where it lies.

import { readFileSync } from "node:fs";

/** A file of vectors, by its path below `crates/`. */
// biome-ignore lint/suspicious/noExplicitAny: vectors are plain JSON of many forms
export function vectors(path: string): any {
  return JSON.parse(readFileSync(new URL(`../../../../${path}`, import.meta.url), "utf8"));
}

/** A copy with one byte changed. */
export function flipped(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] as number) ^ mask;
  return copy;
}
