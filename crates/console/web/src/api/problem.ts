// What can go wrong with a request: the server said no and why, or it couldn't be reached.

/** An answer of kind `application/problem+json`, or as much of one as there was. */
export class Problem extends Error {
  readonly status: number;
  readonly kind: string;
  readonly title: string;
  readonly detail: string;
  /** The outcome's number, where a contract of the ledger refused. */
  readonly code: number | undefined;
  /** What to type instead, where the console lacks a key. */
  readonly command: string | undefined;

  constructor(status: number, body: unknown) {
    const given: Record<string, unknown> = typeof body === "object" && body !== null ? { ...body } : {};
    const text = (name: string) => (typeof given[name] === "string" ? (given[name] as string) : "");
    const detail = text("detail") || (typeof body === "string" ? body : "");
    super(detail || text("title") || `HTTP ${status}`);
    this.name = "Problem";
    this.status = status;
    this.kind = text("type");
    this.title = text("title") || `HTTP ${status}`;
    this.detail = detail;
    this.code = typeof given.code === "number" ? given.code : undefined;
    this.command = text("command") || undefined;
  }
}

/** The server couldn't be reached, or broke off. */
export class Away extends Error {
  constructor(cause: unknown) {
    super("the console's server can't be reached", { cause });
    this.name = "Away";
  }
}
