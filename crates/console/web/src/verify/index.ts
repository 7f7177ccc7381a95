// Verify in the browser, from the genesis that the user pinned, that the consortium recorded something:
// a second implementation of the `receipt` crate that shares no code with it.
//
//   const verifier = startVerifier();                     // a Web Worker; one for the page is enough
//   const report = await verifier.call.verifyReceipt(receipt, { genesis, pinned });
//   report.steps      format, genesis, headers, certificate, state, anchor, path, record, [message]
//   verifyEntry, verifyEntries (`/v1/state/{key}`, `/v1/proofs` as CBOR) and verifyResult report the same way
//   step              { name, status: held | failed | not-reached, code, values, detail, shown }
//   report.result     what is now known, only if every step held
//
// `detail` is English; `HELD_TEXTS`, `FAILED_TEXTS`, and the texts of `../envelope` and `../crypto` are
// the tables that a translation needs, by `code`. `shown` are the bytes that a step worked on. A
// tampered copy is the same bytes with one changed: `receiptSpans` says which byte is in which field.
//
// Invariants
// - Nothing holds that the Rust verifier refuses: both are held against the same vectors, against every
//   single flipped byte, and against a consortium on paper whose parts are changed one by one.
// - No verification throws or hangs: a refusal is a failed step, an error of our own too. Work is bounded
//   by the document's length (16 MiB) and 4,096 headers.
// - A pin is compared with the genesis file's chain id before anything else is believed. Without a pin
//   the file itself is what is trusted: a page that got both from one server has verified nothing
//   against that server, and has to say so.
//
// What a report means: at that block the consortium's state held the entry, or the record. It doesn't
// say what the state holds today, nor, without the topic's key, who made the content.

import { connect } from "../worker/calls";
import type { VerifyService } from "./worker";

export type { Trust, VerifiedEntry } from "./entry";
export { HEADERS_MAX } from "./finality";
export { LABELS, type Label, type Report, type Shown, STEPS, type Step, type StepName } from "./report";
export { type VerifiedResult, verifyResult } from "./result";
export { FAILED_TEXTS, HELD_TEXTS } from "./texts";
export {
  type MessageKeys,
  receiptSpans,
  type VerifiedMessage,
  type VerifiedReceipt,
  verifyEntries,
  verifyEntry,
  verifyReceipt,
} from "./verify";
export type { VerifyService } from "./worker";

/** A verifier in a worker of its own. */
export function startVerifier() {
  return connect<VerifyService>(
    () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "verifier" }),
  );
}
