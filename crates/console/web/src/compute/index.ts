// Open results of computing on encrypted readings locally, in their owner's page: what the `compute` crate
// does, of it the opening.
//
//   const opener = startOpener();                       // a Web Worker
//   const { answer } = await opener.call.openProven(
//     { pem, passphrase },                              // the file that `sealwire compute keygen` wrote
//     result,                                           // the result's bytes (CBOR of Computed)
//     { key, evaluation },                              // /v1/state/{key} of e/key/… and e/eval/…, as CBOR
//     { genesis, pinned },
//   );
//   opener.close();                                     // and the secret is gone with the worker
//
// | Module | What |
// |---|---|
// | `secret` | the secret half's file |
// | `parameters`, `bound` | frozen parameters; overflow and noise, refused beforehand |
// | `elgamal`, `logarithm` | exponential ElGamal on the SM2 curve |
// | `bfv/` | BFV: residues, transforms, slots, totals |
// | `open`, `answer` | from ciphertexts to exact decimals |
// | `proven` | key and evaluation as the ledger proves them |
//
// Invariants
// - Key, evaluation and ciphertexts belong together: by the ledger's proofs, the key's id, the result's
//   digest. What could have overflowed or drowned in noise is refused; what comes out and can't be, too.
// - **Nothing of an opening leaves the page: no answer, no refusal, not even that it failed.** Whoever
//   learns which changed ciphertexts open right learns the secret key. Don't send it anywhere, don't log it.
// - Arithmetic isn't in constant time, as nothing in JavaScript is.
//
// Failure: a `Refusal` with `open.*`, `bound.*`, `secret.*`, `keyfile.*` or `cbor.*`; `OPEN_TEXTS` is the
// table for translations. An honest result opens in milliseconds (ElGamal) or under a second (BFV); only one
// that can't be makes the worker search all of ±2^40, for some seconds.

import { connect } from "../worker/calls";
import type { OpenService } from "./worker";

export { type Answer, answerText, type Bin, type Rounded } from "./answer";
export { open } from "./open";
export type { OpenedResult, ResultProofs, SecretText } from "./proven";
export { openProven } from "./proven";
export { readSecret, SECRET_LABEL, secretNeedsPassphrase } from "./secret";
export { OPEN_TEXTS } from "./texts";
export type { OpenService } from "./worker";

/** Longest opening, in milliseconds: a whole search of ±2^40 on a slow machine. */
const OPEN_TIMEOUT_MS = 180_000;

/** An opener in a worker of its own. */
export function startOpener() {
  return connect<OpenService>(
    () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "opener" }),
    OPEN_TIMEOUT_MS,
  );
}
