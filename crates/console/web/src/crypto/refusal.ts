// Errors that a page can show in any language: a code, the values that belong into its text, and the
// text in English. Codes are for ever; a translation is a table from code to text.

/** What stands in the braces of a text. */
export type Values = Readonly<Record<string, string | number | bigint>>;

/** Texts by code; `{name}` is replaced by the value of that name. */
export type Texts = Readonly<Record<string, string>>;

/** Something from outside isn't what it should be. */
export class Refusal extends Error {
  /** Which text, for ever the same. */
  readonly code: string;
  /** What stands in its braces. */
  readonly values: Values;

  constructor(code: string, message: string, values: Values = {}) {
    super(message);
    this.name = "Refusal";
    this.code = code;
    this.values = values;
  }
}

/** A text with its values. A name without a value stays as it is. */
export function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : String(value);
  });
}

/** The refusal that `texts` has under `code`. */
export function refuse<T extends Texts>(texts: T, code: keyof T & string, values: Values = {}): Refusal {
  return new Refusal(code, fill(texts[code] ?? code, values), values);
}
