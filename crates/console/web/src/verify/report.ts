// A verification is a list of named steps, made in order until one fails.

import { hex } from "../crypto/bytes";
import { fill, Refusal, type Values } from "../crypto/refusal";
import { FAILED_TEXTS, HELD_TEXTS } from "./texts";

/** The steps; a verification makes some of them, in this order. */
export const STEPS = [
  "format",
  "genesis",
  "headers",
  "certificate",
  "state",
  "anchor",
  "path",
  "record",
  "message",
  "evaluation",
  "result",
  "inputs",
] as const;
/** One of them. */
export type StepName = (typeof STEPS)[number];

/** What bytes are that a step shows. */
export const LABELS = [
  "chain",
  "validators",
  "validator",
  "block",
  "parent",
  "state-root",
  "vote",
  "signature",
  "key",
  "key-digest",
  "value",
  "package",
  "package-root",
  "leaf",
  "sibling-left",
  "sibling-right",
  "node",
  "record",
  "payload",
  "content",
  "evaluation",
  "result",
] as const;
/** One of them. */
export type Label = (typeof LABELS)[number];

/** Bytes that a step worked on. */
export interface Shown {
  readonly label: Label;
  /** Whose they are, where there are several: an organisation, a height. */
  readonly of?: string;
  readonly hex: string;
}

/** What became of a step. */
export interface Step {
  readonly name: StepName;
  /** Steps after one that failed aren't reached. */
  readonly status: "held" | "failed" | "not-reached";
  readonly ok: boolean;
  /** Code of the text, for a translation; empty for a step that wasn't reached. */
  readonly code: string;
  readonly values: Values;
  /** The text in English. */
  readonly detail: string;
  readonly shown: readonly Shown[];
}

/** What a verification came to. */
export interface Report<R> {
  readonly holds: boolean;
  readonly steps: readonly Step[];
  /** The step that failed, if one did. */
  readonly failed: Step | null;
  /** What is now known; null unless every step held. */
  readonly result: R | null;
}

/** What a step that held says. */
export interface Held<T> {
  readonly code: keyof typeof HELD_TEXTS;
  readonly values: Values;
  readonly value: T;
}

/** Notes bytes that a step works on. */
export type Show = (label: Label, bytes: Uint8Array, of?: string) => void;

/** Stops a verification whose step failed; never leaves this module. */
class Stopped extends Error {}

/** Makes steps. */
export class Trail {
  readonly steps: Step[] = [];

  /** Makes a step; the first one that throws ends the verification. */
  step<T>(name: StepName, make: (show: Show) => Held<T>): T {
    const shown: Shown[] = [];
    const show: Show = (label, bytes, of) => {
      shown.push(of === undefined ? { label, hex: hex(bytes) } : { label, of, hex: hex(bytes) });
    };
    let held: Held<T>;
    try {
      held = make(show);
    } catch (error) {
      const { code, values, message } = asRefusal(error);
      this.steps.push({ name, status: "failed", ok: false, code, values, detail: message, shown });
      throw new Stopped();
    }
    const { code, values, value } = held;
    const detail = fill(HELD_TEXTS[code], values);
    this.steps.push({ name, status: "held", ok: true, code, values, detail, shown });
    return value;
  }
}

/** An error of our own is a failed step, never a verified one. */
function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new Refusal("internal", fill(FAILED_TEXTS.internal, { detail }), { detail });
}

/** Makes the steps of `names` by `verify`, and reports. Never throws. */
export function report<R>(names: readonly StepName[], verify: (trail: Trail) => R): Report<R> {
  const trail = new Trail();
  let result: R | null = null;
  try {
    result = verify(trail);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  }
  const { steps } = trail;
  const failed = steps.find((step) => step.status === "failed") ?? null;
  for (const name of names.slice(steps.length)) {
    steps.push({ name, status: "not-reached", ok: false, code: "", values: {}, detail: "", shown: [] });
  }
  const holds = failed === null && result !== null && steps.every((step) => step.ok);
  return { holds, steps, failed, result: holds ? result : null };
}
