import { describe, expect, it } from "vitest";
import { type Grant, grantStands, ledgerPath, matches, topicPart } from "./ledger";

describe("a filter", () => {
  it.each([
    ["a/b", "a/b", true],
    ["a/+", "a/b", true],
    ["a/+", "a/b/c", false],
    ["a/#", "a/b/c", true],
    ["a/#", "a", true],
    ["#", "a/b", true],
    ["+/b", "a/b", true],
    ["a/b/c", "a/b", false],
    ["a/b", "a/b/c", false],
  ])("%s matches %s: %s", (filter, topic, expected) => {
    expect(matches(filter, topic)).toBe(expected);
  });
});

describe("the address of a question", () => {
  it("leaves out what isn't asked, and escapes the rest", () => {
    expect(ledgerPath("audit", { client: "a b&c", kind: undefined, limit: 5 })).toBe(
      "/api/ledger/v1/audit?client=a+b%26c&limit=5",
    );
    expect(topicPart("acme/press 1/ü?")).toBe("acme/press%201/%C3%BC%3F");
  });
});

describe("a grant", () => {
  const grant = { expires_s: null, revoked: null } as unknown as Grant;
  it("stands until it is revoked or its time has come", () => {
    expect(grantStands(grant, 0)).toBe("live");
    expect(grantStands({ ...grant, expires_s: 10 }, 9_999)).toBe("live");
    expect(grantStands({ ...grant, expires_s: 10 }, 10_000)).toBe("expired");
    expect(grantStands({ ...grant, expires_s: 10, revoked: { height: 1, time_ms: 1 } }, 0)).toBe("revoked");
  });
});
