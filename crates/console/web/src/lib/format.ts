// Numbers, times and names as people read them. Pure: the language and the time come in.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A whole or broken number with the language's grouping. */
export function number(value: number, language: string, digits = 0): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

/** A rate: two digits below ten, none from a hundred on. */
export function rate(value: number, language: string): string {
  const digits = value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return number(value, language, digits);
}

/** Bytes in binary units. */
export function bytes(value: number, language: string): string {
  let unit = 0;
  let amount = value;
  while (amount >= 1024 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${number(amount, language, unit === 0 || amount >= 100 ? 0 : 1)} ${UNITS[unit]}`;
}

/** Date and time in the local zone, as ISO 8601 writes them: the same in every language. */
export function localTime(ms: number): string {
  const at = new Date(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** The same instant in UTC, with milliseconds, as in logs. */
export function utcTime(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC");
}

/** Time of day in the local zone, for the axis of a chart. */
export function clock(ms: number, language: string): string {
  return new Intl.DateTimeFormat(language, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }).format(ms);
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** How long ago, or in how long: 'now' within two seconds. */
export function relative(ms: number, nowMs: number, language: string): string {
  const seconds = (ms - nowMs) / 1000;
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
  if (Math.abs(seconds) < 2) return format.format(0, "second");
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return format.format(Math.trunc(seconds / size), unit);
}

/** A length of time in words, its two largest units. */
export function duration(seconds: number, language: string): string {
  const parts: string[] = [];
  let rest = Math.max(0, Math.round(seconds));
  for (const [unit, size] of STEPS) {
    const count = Math.floor(rest / size);
    if (count === 0 || parts.length === 2) continue;
    rest -= count * size;
    parts.push(new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(count));
  }
  return (
    parts.join(" ") ||
    new Intl.NumberFormat(language, { style: "unit", unit: "second", unitDisplay: "short" }).format(0)
  );
}

/** A long id, shortened in the middle; short ones stay whole. */
export function shortId(id: string, head = 8, tail = 6): string {
  return id.length <= head + tail + 1 ? id : `${id.slice(0, head)}…${id.slice(-tail)}`;
}

/** The organisation of a client id. */
export function orgOf(client: string): string {
  return client.split(".")[0] ?? client;
}

/** Hexadecimal to bytes; none when it isn't hexadecimal. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return null;
  const out = new Uint8Array(text.length / 2);
  for (let at = 0; at < out.length; at += 1) out[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return out;
}

/** Bytes to hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) out += byte.toString(16).padStart(2, "0");
  return out;
}

/** The value of an `<input type="datetime-local">` for an instant, local zone, whole seconds. */
export function toInput(ms: number): string {
  const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return at.toISOString().slice(0, 19);
}

/** The instant of an `<input type="datetime-local">`; none when it is empty or no time. */
export function fromInput(text: string): number | undefined {
  const ms = text ? new Date(text).getTime() : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
