// Connection records in the order of time. The ledger keeps them by client and kind, and by gateway: each of
// these lists is in order, all of them together aren't. So a page is merged from several lists, as much as can be
// said for certain: what no list can still be ahead of.
import type { Answer, ConnectionEvent } from "./ledger";

/** One list of the ledger's that is in order of time, the newest first. */
export interface Stream {
  path: string;
  args: Record<string, string | number | undefined>;
}

/** How far a list was read. */
interface Head {
  /** Read and not handed on yet. */
  waiting: ConnectionEvent[];
  /** Where its next page begins; null at its end. */
  next: string | null | undefined;
}

export type Place = Head[];

export interface Merged {
  value: ConnectionEvent[];
  /** Null at the end of all lists. */
  next: Place | null;
  /** Records that were looked at. */
  looked: number;
}

type Fetch = (stream: Stream, after: string | undefined) => Promise<Answer<ConnectionEvent[]>>;

/** Entries on a merged page. */
const PAGE = 60;
/** Records looked at in one list at a time. */
export const LOOK = 100;
/** Times that lists are read for one page: a filter may leave little of each. */
const ROUNDS_MAX = 5;

function later(a: ConnectionEvent, b: ConnectionEvent): number {
  return b.at.height - a.at.height || b.event.time_ms - a.event.time_ms;
}

/** The newest of all lists, or none while some list has to be read first. */
function pop(heads: Head[]): ConnectionEvent | undefined {
  let best: Head | undefined;
  for (const head of heads) {
    const first = head.waiting[0];
    if (!first) {
      if (head.next !== null) return undefined;
      continue;
    }
    if (!best?.waiting[0] || later(first, best.waiting[0]) < 0) best = head;
  }
  return best?.waiting.shift();
}

/** The next page from where the last one ended. */
export async function mergedPage(streams: Stream[], from: Place | undefined, fetch: Fetch): Promise<Merged> {
  const heads: Head[] = streams.map((_, index) => {
    const before = from?.[index];
    return { waiting: [...(before?.waiting ?? [])], next: before?.next };
  });
  const value: ConnectionEvent[] = [];
  let looked = 0;
  for (let round = 0; round < ROUNDS_MAX && value.length < PAGE; round += 1) {
    await Promise.all(
      streams.map(async (stream, index) => {
        const head = heads[index];
        if (!head || head.waiting.length > 0 || head.next === null) return;
        const answer = await fetch(stream, head.next);
        head.waiting = answer.value;
        head.next = answer.next;
        looked += LOOK;
      }),
    );
    while (value.length < PAGE) {
      const entry = pop(heads);
      if (!entry) break;
      value.push(entry);
    }
    if (heads.every((head) => head.waiting.length === 0 && head.next === null))
      return { value, next: null, looked };
  }
  return { value, next: heads, looked };
}
