import { describe, expect, it } from "vitest";
import { codesCsv, readLines } from "./csv";

describe("lines of clients", () => {
  it("are read; the role may be left out", () => {
    const text = "client,role\r\nacme.press-1,device\nacme.reader,user\n\n acme.press-2 \n";
    expect(readLines(text, "acme")).toEqual({
      lines: [
        { client: "acme.press-1", role: "device" },
        { client: "acme.reader", role: "user" },
        { client: "acme.press-2", role: "device" },
      ],
      mistakes: [],
    });
  });

  it.each([
    ["basin.press", { line: 1, kind: "wrongId", id: "basin.press" }],
    ["acme", { line: 1, kind: "wrongId", id: "acme" }],
    ["acme.Press", { line: 1, kind: "wrongId", id: "acme.Press" }],
    ["acme.a,root", { line: 1, kind: "wrongRole", role: "root" }],
    ["acme.a\nacme.a", { line: 2, kind: "twice", id: "acme.a" }],
  ])("%j has a mistake", (text, mistake) => {
    expect(readLines(text, "acme").mistakes).toEqual([mistake]);
  });

  it("come back as a file with their codes", () => {
    expect(codesCsv([{ client: "acme.a", role: "device", code: "SWE-1" }])).toBe(
      "client,role,code\r\nacme.a,device,SWE-1\r\n",
    );
  });
});
