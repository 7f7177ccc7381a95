// Where in a receipt each kind of thing lies, so that one can choose what to tamper with.
import { receiptSpans } from "@/verify";

export type Field = "record" | "path" | "value" | "proof" | "headers" | "signatures" | "version";

/** Where in a receipt each kind of thing lies, as `receiptSpans` names its fields. */
const FIELDS: [Field, RegExp][] = [
  ["record", /(^|\.)record$/],
  ["path", /(^|\.)path(\[|\.|$)/],
  ["value", /anchor\.value$/],
  ["proof", /anchor\.proof$/],
  ["headers", /headers(\[0\]|\.0|)$/],
  ["signatures", /signatures(\[|\.|$)/],
  ["version", /^version$/],
];

export interface Place {
  field: Field;
  start: number;
  end: number;
}

/** The parts of a receipt that can be chosen, each with the bytes that it takes. */
export function placesOf(receipt: Uint8Array): Place[] {
  const spans = receiptSpans(receipt);
  return FIELDS.flatMap(([field, name]) => {
    const mine = spans.filter((span) => name.test(span.path) && span.end > span.start);
    const widest = mine.reduce<(typeof mine)[number] | undefined>(
      (best, span) => (!best || span.end - span.start > best.end - best.start ? span : best),
      undefined,
    );
    return widest ? [{ field, start: widest.start, end: widest.end }] : [];
  });
}

/** A copy with one byte changed: its lowest bit is the other. */
export function flipped(receipt: Uint8Array, at: number): Uint8Array {
  const copy = receipt.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
