// @vitest-environment node
import { MessageChannel } from "node:worker_threads";
import { afterEach, expect, it, vi } from "vitest";

import { Refusal } from "../crypto/refusal";
import { connect, type Port, serve, type WorkerPort } from "./calls";

const service = {
  add: (a: number, b: number) => a + b,
  later: async (value: Uint8Array) => value,
  refuse: (): number => {
    throw new Refusal("some.code", "some text", { height: 7n });
  },
  fail: (): number => {
    throw new TypeError("a bug");
  },
  never: () => new Promise<number>(() => {}),
};

afterEach(() => {
  vi.useRealTimers();
});

/** A worker's two ends without a worker; messages are cloned all the same. */
function pair(): { worker: WorkerPort; break: (message: string) => void; ended: () => boolean } {
  const { port1, port2 } = new MessageChannel();
  const errors: ((event: Event) => void)[] = [];
  let ended = false;
  const end = (port: typeof port1): Port => ({
    postMessage: (message) => port.postMessage(message),
    addEventListener: (type, listener) => {
      if (type === "message") port.on("message", (data) => listener({ data } as MessageEvent));
      else if (type === "error") errors.push(listener);
    },
  });
  serve(service, end(port2));
  const terminate = () => {
    ended = true;
    port1.close();
  };
  const fail = (message: string) => {
    for (const listener of errors) listener({ message } as ErrorEvent);
  };
  return { worker: { ...end(port1), terminate }, break: fail, ended: () => ended };
}

it("calls, in any order, and passes refusals on", async () => {
  const { call, close } = connect<typeof service>(() => pair().worker);
  expect(await Promise.all([call.add(1, 2), call.later(Uint8Array.of(5)), call.add(3, 4)])).toEqual([
    3,
    Uint8Array.of(5),
    7,
  ]);
  await expect(call.refuse()).rejects.toMatchObject({
    code: "some.code",
    message: "some text",
    values: { height: 7n },
  });
  await expect(call.fail()).rejects.toMatchObject({
    code: "worker.broken",
    message: "the worker stopped: a bug",
  });
  const unknown = call as unknown as Record<string, () => Promise<unknown>>;
  await expect(unknown.toString?.()).rejects.toThrow("unknown call toString");
  await expect(call.later((() => {}) as never)).rejects.toMatchObject({ code: "worker.broken" });
  close();
});

it("refuses what waits when the worker breaks, is closed or takes too long, and starts anew", async () => {
  const made: ReturnType<typeof pair>[] = [];
  const start = () => {
    const next = pair();
    made.push(next);
    return next.worker;
  };
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { call, close } = connect<typeof service>(start, 50);
  const broken = expect(call.never()).rejects.toMatchObject({ code: "worker.broken" });
  made[0]?.break("out of memory");
  await broken;
  expect(made[0]?.ended()).toBe(true);
  expect(await call.add(1, 1)).toBe(2);
  const late = expect(call.never()).rejects.toMatchObject({ code: "worker.timeout" });
  await vi.advanceTimersByTimeAsync(50);
  await late;
  expect(made[1]?.ended()).toBe(true);
  const closed = expect(call.never()).rejects.toMatchObject({ code: "worker.closed" });
  close();
  await closed;
  expect(made.length).toBe(3);
});
