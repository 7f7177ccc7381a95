// Lines `client,role` that enrolments are to be opened for: as `sealwire enrolment open --csv` takes them.

const CODE_ROLES = ["device", "user", "gateway", "operator"] as const;
/** Most enrolments at a time: what the server takes. */
export const LINES_MAX = 10_000;

export interface Line {
  client: string;
  role: string;
}

export type Mistake =
  | { line: number; kind: "wrongId"; id: string }
  | { line: number; kind: "wrongRole"; role: string }
  | { line: number; kind: "twice"; id: string };

const ID = /^([a-z0-9][a-z0-9-]{0,31})\.([a-z0-9][a-z0-9_-]{0,63})$/;

/** Reads the lines; empty ones and a head line `client,role` are skipped. */
export function readLines(text: string, org: string): { lines: Line[]; mistakes: Mistake[] } {
  const lines: Line[] = [];
  const mistakes: Mistake[] = [];
  const seen = new Set<string>();
  for (const [at, raw] of text.split(/\r?\n/).entries()) {
    const [id = "", role = ""] = raw.split(",").map((cell) => cell.trim());
    if (id === "" || (id === "client" && (role === "role" || role === ""))) continue;
    const line = at + 1;
    if (ID.exec(id)?.[1] !== org) mistakes.push({ line, kind: "wrongId", id });
    else if (role && !CODE_ROLES.some((known) => known === role))
      mistakes.push({ line, kind: "wrongRole", role });
    else if (seen.has(id)) mistakes.push({ line, kind: "twice", id });
    else lines.push({ client: id, role: role || "device" });
    seen.add(id);
  }
  return { lines, mistakes };
}

/** The codes as a file: `client,role,code`. */
export function codesCsv(opened: { client: string; role: string; code: string }[]): string {
  return ["client,role,code", ...opened.map((one) => `${one.client},${one.role},${one.code}`)]
    .join("\r\n")
    .concat("\r\n");
}
