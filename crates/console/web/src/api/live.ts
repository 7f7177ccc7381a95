// What happens, as it happens: the console's event stream, kept for the page. One stream per page, opened
// with the first screen that listens; the browser connects again by itself, and the page says when it can't.
import { useSyncExternalStore } from "react";
import type { Schemas } from "./client";

export type Sample = Schemas["Sample"];
export type Block = Schemas["Block"];
type ConnectionView = Schemas["EventView"];

/** Samples kept, one a second: as long as the server's fine history. */
const SAMPLES_MAX = 600;
/** Blocks and events kept for lists that show the newest. */
const RECENT_MAX = 60;
/** Pause before a stream that the browser gave up is opened again, in milliseconds. */
const AGAIN_MS = 3_000;

interface Live {
  state: "connecting" | "live" | "away";
  sample: Sample | undefined;
  /** Oldest first. */
  samples: Sample[];
  /** Newest first. */
  block: Block | undefined;
  blocks: Block[];
  events: ConnectionView[];
}

const NOTHING: Live = {
  state: "connecting",
  sample: undefined,
  samples: [],
  block: undefined,
  blocks: [],
  events: [],
};

let live: Live = NOTHING;
let source: EventSource | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
let users = 0;
const listeners = new Set<() => void>();

function set(change: Partial<Live>): void {
  live = { ...live, ...change };
  for (const listener of listeners) listener();
}

function read<T>(event: Event): T | undefined {
  try {
    return JSON.parse((event as MessageEvent<string>).data) as T;
  } catch {
    return undefined;
  }
}

function open(): void {
  source = new EventSource("/api/stream");
  source.onopen = () => set({ state: "live" });
  source.onerror = () => {
    set({ state: "away" });
    if (source?.readyState !== EventSource.CLOSED) return;
    // A refusal ends the stream for good (the session is over, too many streams): try again later.
    clearTimeout(timer);
    timer = setTimeout(open, AGAIN_MS);
  };
  source.addEventListener("overview", (event) => {
    const sample = read<Sample>(event);
    if (sample) set({ state: "live", sample, samples: [...live.samples, sample].slice(-SAMPLES_MAX) });
  });
  source.addEventListener("block", (event) => {
    const block = read<Block>(event);
    if (!block) return;
    set({ state: "live", block, blocks: [block, ...live.blocks].slice(0, RECENT_MAX) });
  });
  source.addEventListener("connection", (event) => {
    const seen = read<ConnectionView>(event);
    if (seen) set({ events: [seen, ...live.events].slice(0, RECENT_MAX) });
  });
}

function close(): void {
  source?.close();
  source = undefined;
  clearTimeout(timer);
  live = NOTHING;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  users += 1;
  if (users === 1) open();
  return () => {
    listeners.delete(listener);
    users -= 1;
    if (users === 0) close();
  };
}

export function useLive(): Live {
  return useSyncExternalStore(subscribe, () => live);
}
