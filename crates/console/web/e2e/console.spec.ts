// A new user's way: sign in, look around, enrol a device, give it a topic, see it connect and be refused,
// grant, verify a record, tamper with a copy, and read who did what.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { accessible, expect, fits, HOME, LINK, ORIGIN, settled, shoot, test } from "./page";

const DEVICE = "acme.e2e-press";
const READER = "acme.e2e-reader";
const TOPIC = "acme/e2e-press/raw";
/** The demo's device that encrypts readings and has them computed on. */
const METER = "acme.meter";

test.describe("signing in", () => {
  test.use({ storageState: { cookies: [], origins: [] } });

  test("a link is good once, and the page says why not", async ({ page }) => {
    await page.goto(LINK);
    await expect(page.getByRole("alert")).toContainText("the link was used");
    expect(page.url()).not.toContain("link=");
    await accessible(page);
  });

  test("by an operator's key, which stays in the page", async ({ page }) => {
    const sent: string[] = [];
    page.on("request", (request) => sent.push(request.postData() ?? ""));
    await page.goto("/devices");
    await expect(page).toHaveURL(/\/sign-in/);
    const identity = join(HOME, "acme/operator");
    await page.getByLabel("Key file (client.key)").setInputFiles(join(identity, "client.key"));
    await page.getByLabel("Certificate file (client.crt)").setInputFiles(join(identity, "client.crt"));
    await page.getByRole("button", { name: "Sign in" }).last().click();
    await expect(page.getByRole("heading", { name: "Devices" })).toBeVisible();
    expect(sent.join()).not.toContain("PRIVATE KEY");
    await page.getByRole("button", { name: "Account and settings" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await expect(page).toHaveURL(/\/sign-in/);
  });
});

test("overview: the ledger lives, services are named, it is live", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByText("Everything works")).toBeVisible();
  const pill = page.getByRole("link", { name: /Block/ });
  await expect(pill).toBeVisible();
  const before = await pill.textContent();
  await expect(pill).not.toHaveText(before ?? "", { timeout: 15_000 });
  await expect(page.getByText(/4 validators; 1 may be away/)).toBeVisible();
  await expect(page.locator("canvas").first()).toBeVisible();
  await expect(
    page
      .getByRole("list")
      .getByText(/recorded|anchored/)
      .first(),
  ).toBeVisible();
  await accessible(page);
  await shoot(page, "overview");
});

test("devices: enrol one, find it, codes for many", async ({ page }) => {
  await page.goto("/devices");
  await page.getByRole("button", { name: "Enrol a device" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Press 7");
  await page.getByRole("button", { name: "Enrol", exact: true }).click();
  await expect(page.getByText(/1 to 64 lower-case letters/)).toBeVisible();
  await page.getByLabel("Name", { exact: true }).fill("e2e-press");
  await page.getByRole("button", { name: "Enrol", exact: true }).click();
  await expect(page.getByText(`${DEVICE} is enrolled`)).toBeVisible();
  await accessible(page);
  await page.getByRole("button", { name: "Enrol another" }).click();
  await page.getByLabel("Name", { exact: true }).fill("e2e-reader");
  await page.getByRole("radio", { name: "user" }).click();
  await page.getByRole("button", { name: "Enrol", exact: true }).click();
  await expect(page.getByText(`${READER} is enrolled`)).toBeVisible();
  await page.keyboard.press("Escape");
  await page.getByLabel("Search by name").fill("e2e-press");
  await expect(page).toHaveURL(/search=e2e-press/);
  await expect(page.getByRole("row").filter({ hasText: "e2e-press" })).toHaveCount(1);
  await page.getByLabel("Search by name").fill("");
  await expect(
    page
      .getByRole("table")
      .getByText("acme.operator")
      .or(page.getByRole("link", { name: "acme.operator" })),
  ).toBeVisible();
  await accessible(page);
  await shoot(page, "devices");

  await page.getByRole("button", { name: "Codes for many" }).click();
  await page.getByRole("textbox", { name: "Clients" }).fill("acme.e2e-1\nbasin.e2e-2");
  await expect(page.getByText("Line 2: “basin.e2e-2” is no client id of acme")).toBeVisible();
  await page.getByRole("textbox", { name: "Clients" }).fill("acme.e2e-1\nacme.e2e-2,user");
  await page.getByRole("button", { name: "Open 2 enrolments" }).click();
  await expect(page.getByText("2 enrolments are open")).toBeVisible();
  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save as codes.csv" }).click();
  expect((await saving).suggestedFilename()).toBe("codes.csv");
});

test("try it before it has a topic: refused, and why", async ({ page }) => {
  await page.goto(`/try-it?client=${DEVICE}`);
  await page.getByRole("button", { name: "Connect" }).click();
  await expect(page.getByRole("list").getByText("Logged in")).toBeVisible();
  await page.getByLabel("Topic", { exact: true }).fill("acme/this-machine/other");
  await page.getByRole("button", { name: "Publish" }).click();
  await expect(page.getByText("Message refused")).toBeVisible();
  await page.getByRole("button", { name: "Why?" }).first().click();
  await expect(
    page.getByText("The topic isn't registered: its owner must register it.", { exact: true }),
  ).toBeVisible();
  await accessible(page);
});

test("topics: register, simulate, grant, simulate again, authorisation key", async ({ page }) => {
  await page.goto(`/topics?client=${DEVICE}`);
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.getByRole("dialog").getByLabel("Topic", { exact: true }).fill(TOPIC);
  await page.getByRole("radio", { name: "open" }).click();
  await page.getByRole("button", { name: "Register", exact: true }).click();
  await expect(page.getByText(`${TOPIC} is registered`)).toBeVisible();
  await expect(page).toHaveURL(/topic=/);

  await page.goto(`/topics?tab=simulate&client=${READER}&topic=${TOPIC}&action=subscribe`);
  await expect(page.getByText("The topic's owner has granted this client nothing.").first()).toBeVisible();
  await accessible(page);
  await shoot(page, "simulate");
  await page.getByRole("link", { name: "Have the owner grant it" }).click();
  await expect(page.getByLabel("To", { exact: true })).toHaveValue(READER);
  await page.getByLabel("Purpose").fill("maintenance");
  await accessible(page);
  await page.getByRole("button", { name: "Grant", exact: true }).click();
  await expect(page.getByText(`${READER} has the right on ${TOPIC}`)).toBeVisible();
  await expect(
    page.getByRole("listitem").filter({ hasText: "e2e-reader" }).getByText("in force"),
  ).toBeVisible();

  await page.goto(`/topics?tab=simulate&client=${READER}&topic=${TOPIC}&action=subscribe`);
  await expect(page.getByText("The topic's owner granted it.").first()).toBeVisible();

  await page.goto(`/topics?topic=${TOPIC}`);
  await accessible(page);
  await shoot(page, "topic");
  await page.getByRole("button", { name: "Authorisation key" }).click();
  await page.getByRole("button", { name: "Make the key" }).click();
  await expect(page.getByRole("img", { name: "QR code of the authorisation key" })).toBeVisible();
  await expect(page.getByText(/^SWA-/)).toBeVisible();
});

test("requests: a reader asks, the owner denies with a note", async ({ page }) => {
  await page.goto(`/topics?tab=requests&topic=${TOPIC}`);
  await page.getByLabel("As", { exact: true }).selectOption(READER);
  await page.getByRole("checkbox", { name: "publish" }).check();
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  const line = page.getByRole("listitem").filter({ hasText: "e2e-reader" });
  await expect(line.getByText("Waits for an answer")).toBeVisible();
  await accessible(page);
  await line.getByRole("button", { name: "Deny" }).click();
  await page.getByLabel("Note to who asked").fill("readers don’t publish");
  await page.getByRole("dialog").getByRole("button", { name: "Deny" }).click();
  await expect(line.getByText("readers don’t publish")).toBeVisible();
});

test("try it: publish, acknowledged, received by the reader", async ({ page, context }) => {
  await page.goto(`/try-it?client=${DEVICE}&topic=${TOPIC}`);
  await page.getByRole("button", { name: "Connect" }).click();
  await expect(page.getByRole("list").getByText("Logged in")).toBeVisible();
  const reader = await context.newPage();
  await reader.goto(`/try-it?client=${READER}&topic=${TOPIC}`);
  await reader.getByRole("button", { name: "Connect" }).click();
  await expect(reader.getByRole("list").getByText("Logged in")).toBeVisible();
  await reader.getByLabel("Topic or filter").fill(TOPIC);
  await reader.getByRole("button", { name: "Subscribe" }).click();
  await expect(reader.getByRole("list").getByText("Subscribed", { exact: true })).toBeVisible();

  await page.getByLabel("Topic", { exact: true }).fill(TOPIC);
  await page.getByLabel("Payload").fill("21.5");
  await page.getByRole("button", { name: "Publish" }).click();
  await expect(page.getByText("Acknowledged", { exact: true })).toBeVisible();
  await expect(reader.getByText("Received", { exact: true })).toBeVisible();
  await expect(reader.getByText("21.5", { exact: true })).toBeVisible();
  await accessible(page);
  await shoot(page, "try-it");

  await page.goto(`/devices/${DEVICE}?tab=connections`);
  await expect(page.getByRole("row").filter({ hasText: "Message refused" }).first()).toBeVisible();
  await accessible(page);
  await page.goto(`/devices/${READER}`);
  await expect(page.getByText("Connected since")).toBeVisible();
  await shoot(page, "device");
});

test("records: verified here, and a changed byte is caught", async ({ page }) => {
  await page.goto(`/records?topic=${TOPIC}`);
  await page.getByRole("button", { name: "I compared it: pin" }).click();
  await expect(page.getByText("This console’s genesis is the one you pinned.")).toBeVisible();
  const row = page.getByRole("row").nth(1);
  await expect(row).toBeVisible({ timeout: 30_000 });
  await accessible(page);
  await row.getByRole("link").first().click();
  await page.getByRole("button", { name: "Verify", exact: true }).click();
  await expect(page.getByRole("status").getByText(/^Verified/)).toBeVisible({ timeout: 30_000 });
  await expect(page.getByRole("list", { name: "Steps" }).getByText("holds", { exact: true })).toHaveCount(8);
  await expect(page.getByText("21.5", { exact: true })).toBeVisible();
  await accessible(page);
  await shoot(page, "record");
  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download receipt" }).click();
  expect((await saving).suggestedFilename()).toMatch(/^receipt-.*\.cbor$/);

  for (const field of [
    "the message",
    "the Merkle path",
    "the package’s entry",
    "the state proof",
    "the block header",
    "a validator’s signature",
  ]) {
    const choice = page.getByRole("radio", { name: field, exact: true });
    // A package of one message has no path.
    if ((await choice.count()) === 0) continue;
    await choice.click();
    await page.getByRole("button", { name: "Change it and verify" }).click();
    await expect(page.getByText(/Caught at:/)).toBeVisible();
  }
  await accessible(page);
  await page.getByText(/Caught at:/).scrollIntoViewIfNeeded();
  await shoot(page, "tamper");
});

test("ledger: blocks, a sentence, the search box, a proof", async ({ page }) => {
  await page.goto("/ledger");
  await expect(page.getByRole("row").nth(3)).toBeVisible();
  await accessible(page);
  await shoot(page, "ledger");
  await page.keyboard.press("/");
  await page.getByRole("combobox").fill(DEVICE);
  await expect(page.getByRole("option", { name: new RegExp(DEVICE) })).toBeVisible();
  await accessible(page);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(`/devices/${DEVICE}`));
  await page.getByRole("tab", { name: "Topics" }).click();
  await page.getByRole("link", { name: TOPIC }).click();
  await page.getByText("Registered", { exact: true }).locator("..").getByRole("link").first().click();
  await expect(page).toHaveURL(/\/ledger\/blocks\/\d+/);
  await expect(page.getByText(/registered the topic/)).toBeVisible();
  await accessible(page);
  await shoot(page, "block");
  await page
    .getByRole("listitem")
    .filter({ hasText: "registered the topic" })
    .getByRole("link")
    .last()
    .click();
  await expect(page).toHaveURL(/\/ledger\/transactions\//);
  await expect(page.getByText("Applied")).toBeVisible();
  await accessible(page);

  await page.goto("/ledger?tab=state");
  await page.getByLabel("Name", { exact: true }).fill(DEVICE);
  await page.getByRole("button", { name: "Look up" }).click();
  await page.getByRole("button", { name: "Check the proof here" }).first().click();
  await expect(page.getByRole("status").getByText(/^Verified/)).toBeVisible({ timeout: 30_000 });
  await accessible(page);
});

test("audit: filtered, explained, exported", async ({ page }) => {
  await page.goto("/audit");
  await expect(page.getByRole("row").nth(2)).toBeVisible();
  await accessible(page);
  await shoot(page, "audit");
  await page.getByLabel("Kind").selectOption("publish-refused");
  await expect(page).toHaveURL(/kind=publish-refused/);
  const row = page.getByRole("row").filter({ hasText: "Message refused" }).first();
  await row.getByText("Message refused").click();
  await expect(page.getByRole("dialog").getByText("Explain this decision")).toBeVisible();
  await expect(
    page.getByRole("dialog").getByText("The topic isn't registered: its owner must register it.").first(),
  ).toBeVisible();
  await accessible(page);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Export" }).click();
  const saving = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: "As CSV" }).click();
  const path = await (await saving).path();
  expect(readFileSync(path, "utf8")).toContain("publish-refused");
});

test("compute: asked for, recorded, its receipt verified, and opened in the page", async ({ page }) => {
  await page.goto("/compute");
  await expect(page.getByText("in use").first()).toBeVisible();
  await accessible(page);
  await page.getByRole("tab", { name: "Jobs" }).click();
  await page.getByLabel("Asked by").selectOption(METER);
  await expect(page.getByText(/every .* over the last/)).toBeVisible();
  await page.getByRole("button", { name: "Ask for a computation" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Function").selectOption("count-over");
  await dialog.getByLabel("Topic 1").fill("acme/meter/load");
  await accessible(page);
  await dialog.getByRole("button", { name: "Ask", exact: true }).click();
  await expect(dialog.getByText(/needs a threshold/)).toBeVisible();
  await dialog.getByLabel("Function").selectOption("sum");
  await dialog.getByRole("button", { name: "Ask", exact: true }).click();
  await expect(page.getByText("The gateway has the question")).toBeVisible();
  const row = page.getByRole("row").filter({ hasText: "Sum" }).first();
  await expect(row.getByText("result ready")).toBeVisible({ timeout: 60_000 });
  await accessible(page);
  await shoot(page, "compute");
  await row.getByRole("button", { name: "Sum" }).click();
  await page.getByRole("button", { name: "Verify its receipt" }).click();
  await expect(page.getByRole("status").getByText(/^Verified/)).toBeVisible({ timeout: 30_000 });
  await accessible(page);
  await settled(page);
  await page.screenshot({ path: "e2e/screenshots/compute-job-en.png" });

  const sent: string[] = [];
  page.on("request", (request) => sent.push(request.postData() ?? ""));
  await page.getByRole("link", { name: "Open its result" }).click();
  const keys = join(HOME, "acme/clients/meter/compute");
  const secret = readdirSync(keys).find((name) => name.endsWith(".secret")) ?? "";
  await page.getByLabel(/Secret key file/).setInputFiles(join(keys, secret));
  await page.getByRole("button", { name: "Open here" }).click();
  await expect(page.getByText("Opened in this page")).toBeVisible();
  await accessible(page);
  await shoot(page, "compute-opened");
  expect(sent.join()).not.toContain("SEALWIRE COMPUTE KEY");
});

test("governance shows what the ledger has, and what it doesn't have yet", async ({ page }) => {
  await page.goto("/governance");
  await expect(page.getByText("Votes aren’t on this ledger yet")).toBeVisible();
  await expect(page.getByText("3 of 4")).toBeVisible();
  await accessible(page);
  await shoot(page, "governance");
});

test("revoking ends a live session", async ({ page, context }) => {
  const live = await context.newPage();
  await live.goto(`/try-it?client=${READER}`);
  await live.getByRole("button", { name: "Connect" }).click();
  await expect(live.getByRole("list").getByText("Logged in")).toBeVisible();
  await page.goto(`/devices/${READER}`);
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByLabel("Reason").fill("end of the test");
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByText(`${READER} is revoked`)).toBeVisible();
  await expect(page.getByText("end of the test").first()).toBeVisible();
  await expect(live.getByRole("status").getByText("connection ended")).toBeVisible();
});

test("every screen fits from 380 to 2,560 pixels, in both languages", async ({ page }) => {
  test.setTimeout(600_000);
  const places = [
    "/",
    "/devices",
    `/devices/${DEVICE}`,
    `/topics?topic=${TOPIC}`,
    "/topics?tab=requests",
    "/topics?tab=keys",
    `/topics?tab=simulate&client=${DEVICE}&topic=${TOPIC}`,
    `/records?topic=${TOPIC}`,
    "/compute",
    `/compute?tab=jobs&as=${METER}`,
    "/ledger",
    "/ledger?tab=state",
    "/governance",
    "/audit",
    "/try-it",
  ];
  for (const width of [380, 1280, 2560]) {
    await page.setViewportSize({ width, height: 900 });
    for (const place of places) {
      await page.goto(place);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await page.waitForTimeout(150);
      await fits(page);
      const name = place.replace(/\W+/g, "-").replace(/^-|-$/g, "") || "overview";
      await page.screenshot({ path: `e2e/screenshots/widths/${name}-${width}.png` });
    }
  }
});

test("without the server it says so, and comes back", async ({ page, context }) => {
  await page.goto("/devices");
  await expect(page.getByRole("row").nth(1)).toBeVisible();
  await context.setOffline(true);
  await page.getByLabel("Search by name").fill("anything-new");
  await expect(
    page.getByText("The console’s server can’t be reached").or(page.getByText("Not live")).first(),
  ).toBeVisible({ timeout: 30_000 });
  // Chinese wasn't fetched before, so it can't be had: the page says so and goes on.
  await shoot(page, "offline");
  await expect(
    page.getByRole("status").getByText("The console’s server can’t be reached").first(),
  ).toBeVisible();
  await context.setOffline(false);
  await page.getByLabel("Search by name").fill("");
  await expect(page.getByRole("row").nth(1)).toBeVisible({ timeout: 30_000 });
});

test("by keyboard alone: skip link, search, menu, dialog and back", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to content" })).toBeFocused();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("enrol a dev");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog").getByLabel("Name", { exact: true })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  expect(new URL(page.url()).origin).toBe(ORIGIN);
});

test("an address that isn't there says so", async ({ page }) => {
  await page.goto("/nowhere");
  await expect(page.getByText("There is no such page")).toBeVisible();
  await page.goto("/ledger/blocks/999999999");
  await expect(page.getByText(/There is no block/)).toBeVisible();
  await page.goto("/devices/acme.nobody");
  await expect(page.getByText("acme.nobody isn’t registered")).toBeVisible();
});
