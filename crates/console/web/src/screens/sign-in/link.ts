// A one-time link is `/#/sign-in?link=TOKEN`: the token stands behind the #, so that it is in no log. It is
// taken out of the address before anything else runs, and kept in memory only.

let token: string | undefined;

/** Takes the token out of the address, if there is one. */
export function takeLink(): void {
  const found = /^#\/sign-in\?link=([A-Za-z0-9_-]+)$/.exec(window.location.hash);
  if (!found) return;
  token = found[1];
  window.history.replaceState(null, "", "/sign-in");
}

/** The token, once. */
export function spendLink(): string | undefined {
  const taken = token;
  token = undefined;
  return taken;
}

/** The token in a link that somebody pasted, or the text itself if it is one. */
export function tokenIn(text: string): string | undefined {
  const trimmed = text.trim();
  return /link=([A-Za-z0-9_-]+)/.exec(trimmed)?.[1] ?? /^[A-Za-z0-9_-]{16,}$/.exec(trimmed)?.[0];
}
