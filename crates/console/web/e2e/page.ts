// What every test uses: a page that fails the test when it says an error or breaks the page's policy, the
// accessibility check, and screenshots in both languages.
import AxeBuilder from "@axe-core/playwright";
import { test as base, expect, type Page } from "@playwright/test";
import { ownPages } from "./assets";

export const ORIGIN = process.env.SEALWIRE_E2E_ORIGIN ?? "";
export const HOME = process.env.SEALWIRE_E2E_HOME ?? "";
export const LINK = process.env.SEALWIRE_E2E_LINK ?? "";

/** What a browser says for itself about answers that a test asks for on purpose. */
const EXPECTED = /Failed to load resource: the server responded with a status of 4\d\d|net::ERR_/;

export const test = base.extend<{ quiet: undefined }>({
  baseURL: ORIGIN,
  quiet: [
    async ({ page, context }, use) => {
      await ownPages(context);
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (message) => {
        if (message.type() === "error" && !EXPECTED.test(message.text())) errors.push(message.text());
      });
      await use(undefined);
      expect(errors, "the page said errors").toEqual([]);
    },
    { auto: true },
  ],
});
export { expect };

/** Colours that are on their way from one scheme to the other, or from new to known, are nobody's to read. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(() => {
    // What is half under the head of the page is a matter of how far one scrolled.
    window.scrollTo(0, 0);
    for (const animation of document.getAnimations()) {
      if (animation.effect?.getComputedTiming().iterations !== Number.POSITIVE_INFINITY) animation.finish();
    }
  });
}

/** No violation of WCAG 2.2 A or AA that axe can see, in light and in dark. */
export async function accessible(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await settled(page);
    const { violations } = await new AxeBuilder({ page })
      .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
      .analyze();
    const told = violations.map(
      ({ id, help, nodes }) =>
        `${id}: ${help}\n${nodes.map((node) => `  ${node.html}\n  ${node.failureSummary}`).join("\n")}`,
    );
    expect(told, colorScheme).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

/** Nothing sticks out to the side. */
export async function fits(page: Page): Promise<void> {
  const over = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  expect(over, "the page is wider than its window").toBeLessThanOrEqual(0);
}

/** The screen as it is, in both languages, into `screenshots` (kept as artefacts). */
export async function shoot(page: Page, name: string): Promise<void> {
  for (const [language, text] of [
    ["zh", "中文"],
    ["en", "English"],
  ]) {
    await page.getByRole("button", { name: /Account and settings|账户与设置/ }).click();
    await page.getByRole("menuitem", { name: text }).click();
    await page.evaluate(() => document.fonts.ready);
    await page.waitForTimeout(300);
    await page.screenshot({ path: `e2e/screenshots/${name}-${language}.png` });
  }
}
