// Starts `sealwire demo` in a home of its own, opens the one-time link that it prints, and keeps the session for
// the tests. The demo ends with them.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { BROWSER_ARGS, ownPages } from "./assets";

const PROGRAM = process.env.SEALWIRE_BIN ?? join(import.meta.dirname, "../../../../target/release/sealwire");
/** Time for four nodes, two gateways and the console to come up, in milliseconds. */
const UP_MS = 90_000;
/** Time for all of them to stop, in milliseconds. */
const DOWN_MS = 20_000;
const LINK = /https?:\/\/[^\s"]+\/#\/sign-in\?link=[A-Za-z0-9_-]+/;

function link(demo: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const late = setTimeout(
      () => reject(new Error(`no link within ${UP_MS} ms; the demo said:\n${said}`)),
      UP_MS,
    );
    const listen = (bytes: Buffer) => {
      said += bytes.toString();
      const found = LINK.exec(said);
      if (!found) return;
      clearTimeout(late);
      resolve(found[0]);
    };
    demo.stdout?.on("data", listen);
    demo.stderr?.on("data", listen);
    demo.on("error", reject);
    demo.on("exit", (code) => reject(new Error(`the demo ended with ${code}:\n${said}`)));
  });
}

export default async function start() {
  mkdirSync("test-results", { recursive: true });
  const home = mkdtempSync(join(tmpdir(), "sealwire-e2e-"));
  const demo = spawn(PROGRAM, ["demo", "--home", home], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => demo.once("exit", () => resolve()));
  const stop = async () => {
    demo.kill("SIGTERM");
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, DOWN_MS))]);
    demo.kill("SIGKILL");
    rmSync(home, { recursive: true, force: true });
  };
  try {
    const url = await link(demo);
    demo.stdout?.resume();
    demo.stderr?.resume();
    process.env.SEALWIRE_E2E_HOME = home;
    process.env.SEALWIRE_E2E_LINK = url;
    process.env.SEALWIRE_E2E_ORIGIN = new URL(url).origin;
    await signIn(url);
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}

async function signIn(url: string): Promise<void> {
  const browser = await chromium.launch({
    executablePath: process.env.SEALWIRE_CHROMIUM ?? "/usr/bin/chromium",
    args: BROWSER_ARGS,
  });
  const context = await browser.newContext({ locale: "en-GB" });
  await ownPages(context);
  const page = await context.newPage();
  await page.goto(url, { timeout: UP_MS });
  await page.getByRole("heading", { name: "Overview" }).waitFor({ timeout: 30_000 });
  writeFileSync("test-results/session.json", JSON.stringify(await context.storageState()));
  await browser.close();
}
