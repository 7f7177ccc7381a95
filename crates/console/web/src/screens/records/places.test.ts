// @vitest-environment node
import { describe, expect, it } from "vitest";
import { fromHex, utf8 } from "@/crypto/bytes";
import { vectors } from "@/testing/vectors";
import { verifyReceipt } from "@/verify";
import { flipped, placesOf } from "./places";

const vector = vectors("receipt/vectors/receipt.json");
const receipt = fromHex(vector.receipt);
const trust = { genesis: utf8(JSON.stringify(vector.genesis)) };

describe("the tamper demo", () => {
  it("finds every part of a receipt, apart from each other", () => {
    const places = placesOf(receipt);
    expect(places.map(({ field }) => field)).toEqual([
      "record",
      "path",
      "value",
      "proof",
      "headers",
      "signatures",
      "version",
    ]);
    for (const { start, end } of places) expect(end).toBeGreaterThan(start);
  });

  it("is caught wherever a byte is changed, at a step that fits the part", () => {
    const caught = Object.fromEntries(
      placesOf(receipt).map(({ field, start, end }) => {
        const report = verifyReceipt(flipped(receipt, Math.floor((start + end) / 2)), trust);
        expect(report.holds).toBe(false);
        return [field, report.failed?.name];
      }),
    );
    expect(caught).toMatchObject({
      record: "path",
      path: "path",
      signatures: "certificate",
      version: "format",
    });
    expect(verifyReceipt(receipt, trust).holds).toBe(true);
  });
});
