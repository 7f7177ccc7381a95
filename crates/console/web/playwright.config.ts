// End to end: the real `sealwire demo`, the console that it starts, and Debian's Chromium.
//   SEALWIRE_BIN       the program (default: the workspace's release build)
//   SEALWIRE_CHROMIUM  the browser (default: /usr/bin/chromium)
//   SEALWIRE_ASSETS    pages that stand in for the program's own, while developing
import { defineConfig } from "@playwright/test";
import { BROWSER_ARGS } from "./e2e/assets";

export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results",
  globalSetup: "./e2e/demo.ts",
  // One consortium for all tests, which go on from each other's devices and topics.
  workers: 1,
  fullyParallel: false,
  timeout: 300_000,
  expect: { timeout: 20_000 },
  reporter: [["list"]],
  use: {
    actionTimeout: 30_000,
    launchOptions: {
      executablePath: process.env.SEALWIRE_CHROMIUM ?? "/usr/bin/chromium",
      args: BROWSER_ARGS,
    },
    viewport: { width: 1280, height: 900 },
    locale: "en-GB",
    timezoneId: "Asia/Shanghai",
    storageState: "test-results/session.json",
    permissions: ["clipboard-read", "clipboard-write"],
    trace: "retain-on-failure",
  },
});
