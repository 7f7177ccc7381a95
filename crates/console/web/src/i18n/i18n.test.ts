// Texts: both languages have the same, nothing is there that no source names, and what contracts say is
// translated whole.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FAILED_TEXTS, HELD_TEXTS } from "@/verify";
import en from "./en";
import { firstLanguage } from "./index";
import zh from "./zh";

type Tree = { [name: string]: string | Tree };

function keysOf(tree: Tree, above = ""): string[] {
  return Object.entries(tree).flatMap(([name, value]) =>
    typeof value === "string" ? [`${above}${name}`] : keysOf(value, `${above}${name}.`),
  );
}

function at(tree: Tree, key: string): string {
  let found: string | Tree = tree;
  for (const name of key.split(".")) found = (found as Tree)[name] ?? "";
  return String(found);
}

/** Chinese has one plural form. */
const singular = (keys: string[]) => keys.filter((key) => !key.endsWith("_one"));
/** What the ledger itself says in English, and only other languages translate. */
const ONLY_ZH = ["codes", "reasons", "proof"];
const { codes, reasons, proof, ...zhTexts } = zh;

const sources = (directory: string): string[] =>
  readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === "i18n" ? [] : sources(path);
    return /\.tsx?$/.test(entry.name) && !entry.name.includes(".test.") ? [readFileSync(path, "utf8")] : [];
  });
const source = sources(join(import.meta.dirname, "..")).join("\n");

const contracts = (file: string) =>
  readFileSync(join(import.meta.dirname, "../../../../contracts/src", file), "utf8");

describe("texts", () => {
  it("are there in both languages", () => {
    expect(keysOf(zhTexts).sort()).toEqual(singular(keysOf(en)).sort());
  });

  it("name the same values in both languages", () => {
    const values = (text: string) =>
      [...text.matchAll(/\{\{(\w+)\}\}|\[\[(\w+)\]\]/g)].map((match) => match[0]).sort();
    for (const key of singular(keysOf(en)))
      expect([key, values(at(zhTexts, key))]).toEqual([key, values(at(en, key))]);
  });

  it("are all used", () => {
    // A key that is put together in the source counts where its beginning stands there as a template.
    const templates = [...source.matchAll(/`([a-zA-Z]+(?:\.[a-zA-Z]+)*\.)(\w*)\$\{/g)].map(
      (match) => `${match[1]}${match[2]}`,
    );
    const used = (key: string) => {
      const plain = key.replace(/_(one|other)$/, "");
      return source.includes(`"${plain}"`) || templates.some((beginning) => plain.startsWith(beginning));
    };
    expect(keysOf(en).filter((key) => !used(key))).toEqual([]);
  });

  it("are not empty, and have no double spaces", () => {
    for (const tree of [en, zh] as Tree[]) {
      expect(
        keysOf(tree).filter((key) => at(tree, key).trim() === "" || at(tree, key).includes("  ")),
      ).toEqual([]);
    }
  });
});

describe("what the ledger says", () => {
  it("is translated for every outcome of the contracts", () => {
    const numbers = [...contracts("outcome.rs").matchAll(/\b\w+ = (\d+), "/g)].map((match) => match[1]);
    expect(numbers.length).toBeGreaterThan(100);
    expect(Object.keys(codes).sort()).toEqual(numbers.sort());
  });

  it("is translated for every reason of a decision", () => {
    const names = [...contracts("decide.rs").matchAll(/\b(\w+) = \d+, "/g)].map((match) => match[1]);
    expect(names.length).toBeGreaterThan(15);
    expect(Object.keys(reasons).sort()).toEqual(names.sort());
  });

  it("is translated for every step of a verification", () => {
    const wanted = [...Object.keys(HELD_TEXTS), ...Object.keys(FAILED_TEXTS)].map((code) =>
      code.replaceAll(".", "_"),
    );
    expect(Object.keys(proof)).toEqual(expect.arrayContaining(wanted));
    const texts: Record<string, string> = { ...HELD_TEXTS, ...FAILED_TEXTS };
    for (const [code, text] of Object.entries(texts)) {
      const names = [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
      const chinese = (proof as Record<string, string>)[code.replaceAll(".", "_")] ?? "";
      expect([code, [...chinese.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort()]).toEqual([
        code,
        names,
      ]);
    }
  });

  it("stands nowhere in English beside the ledger's own", () => {
    expect(ONLY_ZH.filter((name) => name in en)).toEqual([]);
  });
});

describe("the first language", () => {
  it.each([
    [["de-DE", "zh-CN"], null, "zh"],
    [["zh-TW"], "en", "en"],
    [["fr"], null, "en"],
    [[], "xx", "en"],
  ] as const)("of %j with %s chosen is %s", (wanted, chosen, expected) => {
    expect(firstLanguage(wanted, chosen)).toBe(expected);
  });
});
