// While developing: SEALWIRE_ASSETS names a directory of built pages that stand in for those inside the program, so
// that the pages can be tried without building it. Answers keep the headers that the program gives, its content
// security policy among them.
import { existsSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { BrowserContext } from "@playwright/test";

const DIRECTORY = process.env.SEALWIRE_ASSETS;
const TYPES: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/** How the browser is started. Pages that a test put in place have no address, so for once local ones are theirs. */
export const BROWSER_ARGS = [
  "--no-sandbox",
  ...(DIRECTORY ? ["--disable-features=LocalNetworkAccessChecks"] : []),
];

let policy: string | undefined;

export async function ownPages(context: BrowserContext): Promise<void> {
  if (!DIRECTORY) return;
  await context.route(
    (url) => !url.pathname.startsWith("/api/"),
    async (route) => {
      const { pathname, origin } = new URL(route.request().url());
      const wanted = join(DIRECTORY, pathname);
      const path = pathname !== "/" && existsSync(wanted) ? wanted : join(DIRECTORY, "index.html");
      if (policy === undefined) {
        const program = await route.fetch({ url: `${origin}/` });
        policy = program.headers()["content-security-policy"] ?? "";
      }
      await route.fulfill({
        body: readFileSync(path),
        contentType: TYPES[extname(path)] ?? "application/octet-stream",
        headers: { "content-security-policy": policy },
      });
    },
  );
}
