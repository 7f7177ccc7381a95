import { expect, it } from "vitest";
import { count, oneOf, text, tidy } from "./params";

it("takes what fits out of an address and drops the rest", () => {
  expect(text({ a: "x" }, "a")).toBe("x");
  expect(text({ a: 7 }, "a")).toBe("7");
  expect(text({ a: "" }, "a")).toBeUndefined();
  expect(text({ a: { b: 1 } }, "a")).toBeUndefined();
  expect(count({ n: "12" }, "n")).toBe(12);
  expect(count({ n: "-1" }, "n")).toBeUndefined();
  expect(count({ n: "1e400" }, "n")).toBeUndefined();
  expect(count({ n: "" }, "n")).toBeUndefined();
  expect(oneOf({ tab: "b" }, "tab", ["a", "b"])).toBe("b");
  expect(oneOf({ tab: "c" }, "tab", ["a", "b"])).toBeUndefined();
  expect(tidy({ a: 1, b: undefined })).toEqual({ a: 1 });
});
