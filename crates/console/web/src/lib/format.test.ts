import { describe, expect, it } from "vitest";
import * as format from "./format";

const AT = Date.UTC(2026, 10, 27, 3, 4, 5, 678);

describe("times", () => {
  it("are local, with UTC beside them", () => {
    // The tests run in Asia/Shanghai.
    expect(format.localTime(AT)).toBe("2026-11-27 11:04:05");
    expect(format.utcTime(AT)).toBe("2026-11-27 03:04:05.678 UTC");
  });

  it("go into an input and come back", () => {
    expect(format.toInput(AT)).toBe("2026-11-27T11:04:05");
    expect(format.fromInput(format.toInput(AT))).toBe(AT - 678);
    expect(format.fromInput("")).toBeUndefined();
    expect(format.fromInput("never")).toBeUndefined();
  });

  it.each([
    [0, "now"],
    [-1_900, "now"],
    [-59_000, "59 sec. ago"],
    [-61_000, "1 min. ago"],
    [-7_200_000, "2 hr. ago"],
    [3 * 86_400_000, "in 3 days"],
  ])("%i ms away are '%s'", (away, text) => {
    expect(format.relative(AT + away, AT, "en")).toBe(text);
  });

  it("have lengths in their two largest units", () => {
    expect(format.duration(31_536_000, "en")).toBe("1 yr");
    expect(format.duration(90_061, "en")).toBe("1 day 1 hr");
    expect(format.duration(0, "en")).toBe("0 sec");
  });
});

describe("numbers", () => {
  it("are grouped", () => {
    expect(format.number(1_234_567, "en")).toBe("1,234,567");
  });
  it.each([
    [0, "0"],
    [0.123, "0.12"],
    [12.34, "12.3"],
    [1234.5, "1,235"],
  ])("rate %d is '%s'", (value, text) => {
    expect(format.rate(value, "en")).toBe(text);
  });
  it.each([
    [0, "0 B"],
    [1023, "1,023 B"],
    [1536, "1.5 KiB"],
    [110_592, "108 KiB"],
    [5 * 1024 ** 4 * 1024, "5,120 TiB"],
  ])("%d bytes are '%s'", (value, text) => {
    expect(format.bytes(value, "en")).toBe(text);
  });
});

describe("ids", () => {
  it("are shortened in the middle, short ones stay", () => {
    expect(format.shortId("a".repeat(64))).toBe(`${"a".repeat(8)}…${"a".repeat(6)}`);
    expect(format.shortId("0123456789abcde")).toBe("0123456789abcde");
  });
  it("are hexadecimal or nothing", () => {
    expect(format.fromHex("00fF")).toEqual(new Uint8Array([0, 255]));
    expect(format.fromHex("0")).toBeNull();
    expect(format.fromHex("zz")).toBeNull();
    expect(format.toHex(new Uint8Array([1, 171]))).toBe("01ab");
  });
  it("name their organisation", () => {
    expect(format.orgOf("acme.press-7")).toBe("acme");
    expect(format.orgOf("acme")).toBe("acme");
  });
});
