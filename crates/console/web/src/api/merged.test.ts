import { describe, expect, it } from "vitest";
import type { Answer, ConnectionEvent } from "./ledger";
import { mergedPage, type Place, type Stream } from "./merged";

const event = (height: number, client: string) =>
  ({ event: { client, time_ms: height * 10 }, at: { height, time_ms: 0 } }) as ConnectionEvent;

/** Lists of heights, handed out so many at a time. */
function lists(all: Record<string, number[]>, size: number) {
  const streams: Stream[] = Object.keys(all).map((path) => ({ path, args: {} }));
  let asked = 0;
  const fetch = async ({ path }: Stream, after: string | undefined): Promise<Answer<ConnectionEvent[]>> => {
    asked += 1;
    const from = Number(after ?? 0);
    const heights = all[path] ?? [];
    const next = from + size < heights.length ? String(from + size) : null;
    return {
      value: heights.slice(from, from + size).map((height) => event(height, path)),
      height: 0,
      keys: [],
      next,
    };
  };
  return { streams, fetch, asked: () => asked };
}

async function everything(all: Record<string, number[]>, size: number): Promise<number[]> {
  const { streams, fetch } = lists(all, size);
  const out: number[] = [];
  let place: Place | undefined;
  for (let page = 0; page < 1_000; page += 1) {
    const { value, next } = await mergedPage(streams, place, fetch);
    out.push(...value.map((one) => one.at.height));
    if (!next) return out;
    place = next;
  }
  throw new Error("no end");
}

describe("merged lists", () => {
  it("are in order of time over all pages, nothing twice, nothing left out", async () => {
    const a = Array.from({ length: 500 }, (_, n) => 2000 - 3 * n);
    const b = Array.from({ length: 70 }, (_, n) => 1999 - 11 * n);
    const c: number[] = [];
    for (const size of [1, 7, 100]) {
      expect(await everything({ a, b, c }, size)).toEqual([...a, ...b].sort((x, y) => y - x));
    }
  });

  it("hand nothing on that another list might still be ahead of", async () => {
    // Nothing matches on b's first pages: what a has can't be told before b is read.
    const streams: Stream[] = [
      { path: "a", args: {} },
      { path: "b", args: {} },
    ];
    const fetch = async ({ path }: Stream, after: string | undefined) => ({
      value: path === "a" ? [event(5, "a")] : [],
      next: path === "a" ? null : String(Number(after ?? 0) + 1),
      height: 0,
      keys: [],
    });
    const first = await mergedPage(streams, undefined, fetch);
    expect(first.value).toEqual([]);
    expect(first.next?.[0]?.waiting).toHaveLength(1);
    expect(first.looked).toBe(600);
  });

  it("ask each list once for a page that is full at once", async () => {
    const { streams, fetch, asked } = lists(
      { a: Array.from({ length: 200 }, (_, n) => 200 - n), b: [1] },
      100,
    );
    const page = await mergedPage(streams, undefined, fetch);
    expect(page.value).toHaveLength(60);
    expect(asked()).toBe(2);
  });
});
