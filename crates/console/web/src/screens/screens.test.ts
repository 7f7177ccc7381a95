// Pure parts of screens.
import { describe, expect, it } from "vitest";
import { readable } from "@/lib/readable";
import { exportPath } from "./audit/audit";
import { decimal } from "./compute/keys";
import { quorumOf } from "./governance/governance";
import { keyWords } from "./ledger/state";
import { joined } from "./overview/charts";
import { tokenIn } from "./sign-in/link";

describe("the overview's curve", () => {
  const sample = (time_ms: number) => ({ time_ms }) as never;
  it("goes on with what the stream brought, once, and shows a hole as one", () => {
    const times = joined([sample(1000), sample(2000)], [sample(2000), sample(3000), sample(9000)], 1000, 0);
    expect(times.map((one) => one.time_ms)).toEqual([1000, 2000, 3000, 4000, 9000]);
    expect(joined([sample(1000), sample(2000)], [], 1000, 1500)).toHaveLength(1);
  });
});

describe("a sign-in link", () => {
  it.each([
    ["http://127.0.0.1:7480/#/sign-in?link=abc_DEF-1", "abc_DEF-1"],
    ["  0123456789abcdef0123 ", "0123456789abcdef0123"],
    ["hello", undefined],
    ["https://example.org/", undefined],
  ])("%j has the token %s", (text, token) => {
    expect(tokenIn(text)).toBe(token);
  });
});

describe("numbers of screens", () => {
  it("more than two thirds sign", () => {
    expect([1, 3, 4, 6, 7, 100].map(quorumOf)).toEqual([1, 3, 3, 5, 5, 67]);
  });
  it("readings are written with their decimals", () => {
    expect([decimal(1250, 1), decimal(-5, 2), decimal(7, 0), decimal(0, 3)]).toEqual([
      "125.0",
      "-0.05",
      "7",
      "0.000",
    ]);
  });
  it("an export has the filters of the page", () => {
    expect(exportPath("csv", { client: "acme.a", from: 5 })).toBe(
      "/api/audit/export?format=csv&client=acme.a&from_ms=5",
    );
  });
  it("a state key reads as text where it is text", () => {
    expect(keyWords("742f61636d652f78")).toBe("t/acme/x");
    expect(keyWords(`722f706b672f${"00".repeat(32)}`)).toBe("r/pkg/…");
  });
  it("a payload is text only if it is", () => {
    expect(readable(new TextEncoder().encode('{"a":"°"}'))).toBe('{"a":"°"}');
    expect(readable(new Uint8Array([0xff, 0xfe]))).toBeUndefined();
    expect(readable(new Uint8Array([0, 1, 2]))).toBeUndefined();
  });
});
