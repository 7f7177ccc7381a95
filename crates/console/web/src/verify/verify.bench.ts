// @vitest-environment node
// How long verifying and opening take: `npx vitest bench --run`.

import { bench, describe } from "vitest";

import { Ring } from "../compute/bfv/ring";
import { bfvOf } from "../compute/parameters";
import { Fixed, Scheme } from "../testing/bfv";
import { Paper, paperRecords, receiptBytes } from "../testing/paper";
import { verifyReceipt } from "./verify";

describe.each([4, 10, 100])("a receipt of %i organisations", (organisations) => {
  const paper = new Paper(organisations);
  const trust = { genesis: paper.file() };
  // Each has a state of its own, so that no vote is remembered.
  const receipts = Array.from({ length: 40 }, (_, i) =>
    receiptBytes(paper.receipt(paperRecords(100 + i), i, 3)),
  );
  let next = 0;
  bench(
    "verified",
    () => {
      const report = verifyReceipt(receipts[next++ % receipts.length] as Uint8Array, trust);
      if (!report.holds) throw new Error(report.failed?.detail);
    },
    { iterations: 10, time: 0, warmupIterations: 1, warmupTime: 0 },
  );
});

describe.each(["bfv-add-v1", "bfv-mul-v1", "bfv-bits-v1"] as const)("%s", (set) => {
  const numbers = bfvOf(set);
  if (!numbers) return;
  const scheme = new Scheme(numbers, new Fixed(set));
  const ring = new Ring(numbers);
  const secret = Int8Array.from(scheme.secret);
  const ciphertext = scheme.encrypt([1n, 2n]);
  const total = ring.readTotal(scheme.totalBytes(ciphertext));
  const options = { iterations: 5, time: 0, warmupIterations: 1, warmupTime: 0 };
  bench("a ciphertext opened", () => void ring.open(secret, ciphertext), options);
  bench("a total opened", () => void (typeof total !== "string" && ring.openTotal(secret, total)), options);
});
