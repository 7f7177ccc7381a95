import { expect, it } from "vitest";
import type { NamedTopic } from "@/api/ledger";
import { grow, linesOf } from "./tree";

const topic = (name: string) => ({ name, topic: { owner: "acme.press" } }) as NamedTopic;

it("grows from names; a level may be a topic and have topics below", () => {
  const roots = grow(["acme/press/a", "acme/press/a/b", "acme/pump/x"].map(topic));
  expect(roots.map((node) => node.name)).toEqual(["acme"]);
  const [press, pump] = roots[0]?.children ?? [];
  expect([press?.path, pump?.path]).toEqual(["acme/press", "acme/pump"]);
  expect(press?.children[0]?.topic?.name).toBe("acme/press/a");
  expect(press?.children[0]?.children[0]?.path).toBe("acme/press/a/b");
});

it("shows the lines of what is open", () => {
  const roots = grow(["acme/press/a", "acme/pump/x"].map(topic));
  const lines = linesOf(roots, new Set(["acme", "acme/pump"]));
  expect(lines.map(({ node, depth, open }) => [node.path, depth, open])).toEqual([
    ["acme", 0, true],
    ["acme/press", 1, false],
    ["acme/pump", 1, true],
    ["acme/pump/x", 2, false],
  ]);
});

it("takes a hundred thousand topics without trouble", () => {
  const many = Array.from({ length: 100_000 }, (_, n) => topic(`acme/press-${n % 1000}/line/${n}`));
  expect(grow(many)[0]?.children).toHaveLength(1000);
});
