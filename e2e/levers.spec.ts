// What is done with switches beyond turning them, with canaries, and with what failed behind the scenes.

import { expect, type Locator, type Page, test } from "@playwright/test";
import { newId } from "@signalbox/core/ids";
import { connectDatabase } from "@signalbox/db";
import { layAside } from "../apps/cli/src/testing/lay-aside.ts";
import { openInstall } from "./install.ts";

// Each is a long way through several dialogs, and each of them waits for every process.
test.describe.configure({ timeout: 120_000 });

const install = openInstall();
const reason = "a test of the console";

const open = async (page: Page, path: string) => {
  await install.signIn(page);
  await page.goto(install.console + path);
};
const rowOf = (page: Page, key: string) =>
  page
    .getByRole("listitem")
    .filter({ has: page.getByRole("button", { name: `History of ${key}`, exact: true }) });

/** Says why, and waits until every process has it. */
async function confirm(dialog: Locator, submit: string | RegExp) {
  await dialog.getByLabel("Reason").fill(reason);
  await dialog.getByRole("button", { name: submit }).click();
  await expect(dialog.getByText(/2 of 2/)).toBeVisible({ timeout: 20_000 });
  await dialog.getByRole("button", { name: "Done" }).click();
}

test("a switch is turned off for some callers for a while, and taken back although it was changed since", async ({
  page,
}) => {
  const key = "notifications.item.read";
  await install.signIn(page);
  await install.operate(page, "PUT", `/switches/${key}`, { state: "on", reason: "as it was before" });
  await page.goto(`${install.console}/switches?q=${key}`);
  await page.getByRole("button", { name: `Turn off ${key}` }).click();
  const dialog = page.getByRole("dialog").last();
  await dialog.getByText("15 min").click();
  await dialog.getByText("More", { exact: true }).click();
  await dialog.getByLabel("Percent of callers").fill("12.3456");
  await expect(dialog.getByText("In steps of 0.001.", { exact: true })).toBeVisible();
  await dialog.getByLabel("Percent of callers").fill("12.345");
  await dialog.getByRole("button", { name: "Add a condition" }).click();
  await dialog.getByLabel("Values").fill("eu, us");
  await confirm(dialog, "Turn off for 12.345% of those");

  const row = rowOf(page, key);
  await expect(row).toContainText("Off for 12.345%");
  await expect(row).toContainText("Only where region is eu or us");
  await expect(row).toContainText(/back on in 1\d min/);

  // Somebody else changes it meanwhile.
  await install.operate(page, "PUT", `/switches/${key}`, { state: "off", share: 5, reason: "less of it" });
  await expect(row).toContainText("Off for 5%");
  await row.getByRole("button", { name: `History of ${key}`, exact: true }).click();
  const panel = page.getByRole("dialog").first();
  await panel
    .getByRole("listitem")
    .filter({ hasText: "12.345%" })
    .first()
    .getByRole("button", { name: /Take back/ })
    .click();
  await dialog.getByLabel("Reason").fill(reason);
  await dialog.getByRole("button", { name: "Take it back", exact: true }).click();
  await expect(dialog.getByRole("alert")).toContainText(`${key} was changed after act`);
  await dialog.getByLabel("Take it back although it was changed since").check();
  await dialog.getByRole("button", { name: "Take it back anyway" }).click();
  await expect(dialog.getByText(/2 of 2/)).toBeVisible();
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.keyboard.press("Escape");
  await expect(row).toContainText("On");

  await page.getByRole("button", { name: "State at…" }).click();
  await expect(page.getByRole("region", { name: "State at an instant" })).toBeVisible();
  await expect(page.getByRole("button", { name: `Turn off ${key}` })).toHaveCount(0);
  await page.getByRole("button", { name: "Back to now" }).click();
  await expect(page.getByRole("button", { name: `Turn off ${key}` })).toBeVisible();
});

test("what is protected is turned on by two operators, and never by one", async ({ page, browser }) => {
  const key = `lab${Date.now().toString(36)}.feature`;
  await install.signIn(page);
  await install.operate(page, "POST", "/switches", { key, state: "off", reason });
  await install.operate(page, "POST", `/switches/${key}/protect`, { reason });
  await page.goto(`${install.console}/switches?q=${key}`);
  await page.getByRole("button", { name: `Change ${key}` }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("it is ready");
  await dialog.getByRole("button", { name: "Propose to turn on" }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page.getByRole("button", { name: `Approve the proposal for ${key}` })).toBeDisabled();
  await expect(rowOf(page, key)).toContainText("Off");

  const second = await (await browser.newContext()).newPage();
  await install.signIn(second);
  await second.goto(`${install.console}/switches`);
  await second.getByRole("button", { name: `Approve the proposal for ${key}` }).click();
  await confirm(second.getByRole("dialog"), "Approve");
  await expect(second.getByRole("button", { name: `Approve the proposal for ${key}` })).toHaveCount(0);
  await second.context().close();
  // Nobody reloads the first one's page.
  await expect(rowOf(page, key)).toContainText("On", { timeout: 20_000 });
  await expect(page.getByRole("button", { name: `Turn off ${key}` })).toBeVisible();
});

test("a promoted canary is taken back for everybody, and none starts in a freeze", async ({ page }) => {
  const key = "users.relations";
  await install.signIn(page);
  for (const { id, name, inForce } of (await install.operate(page, "GET", "/canaries")).items) {
    if (!inForce || name !== key) continue;
    await install.operate(page, "POST", `/canaries/${id}/abort`, { reason });
  }
  for (const { key } of (await install.operate(page, "GET", "/freezes")).items)
    await install.operate(page, "POST", `/freezes/${key}/reset`, { reason });
  const { id } = await install.operate(page, "POST", "/canaries", {
    ...{ target: { kind: "switch", key }, template: "usual", reason },
  });
  await page.goto(`${install.console}/canaries/${id}`);
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Extend" }).click();
  await dialog.getByLabel("Minutes more").fill("30");
  await confirm(dialog, "Extend the canary");
  await expect(page.getByText("Bakes longer at 1%")).toBeVisible();
  await page.getByRole("button", { name: "Promote" }).click();
  await confirm(dialog, "Promote the canary");
  await page.getByRole("button", { name: "Restore" }).click();
  await confirm(dialog, "Restore the canary");
  await expect(page.getByText("Taken away from everybody")).toBeVisible();

  await page.goto(`${install.console}/canaries`);
  await page.getByRole("button", { name: "Add a freeze" }).click();
  await dialog.getByLabel("Name").fill("launch");
  await dialog.getByText("Once", { exact: true }).click();
  await confirm(dialog, "Add the freeze");
  try {
    await page.getByRole("button", { name: "Start a canary" }).click();
    await dialog.getByLabel("Call, job or prefix").fill(key);
    await expect(dialog.getByText("It can not start now")).toBeVisible();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Take away the freeze launch" }).click();
    await confirm(dialog, "Take it away");
    await expect(page.getByText("Canaries begin and climb at any time")).toBeVisible();
  } finally {
    // Canaries of other tests must be able to start.
    const { items } = await install.operate(page, "GET", "/freezes");
    for (const { key } of items) await install.operate(page, "POST", `/freezes/${key}/reset`, { reason });
  }
});

test("a dead letter is read and run again; another is given up", async ({ page }) => {
  const database = connectDatabase(install.postgres, { name: "e2e", poolSize: 1 });
  try {
    await database.sql`delete from dead_letters where error like 'by a test: %'`;
    const [well, given] = [newId(), newId()];
    await layAside(database.sql, well, `by a test: ${well}`);
    await layAside(database.sql, given, `by a test: ${given}`);
    await open(page, "/work");
    const letterOf = (error: string) => page.getByRole("listitem").filter({ hasText: error });
    await letterOf(well).getByRole("button", { name: "user.updated", exact: true }).click();
    const dialog = page.getByRole("dialog").last();
    await expect(dialog).toContainText('"bio"');
    await dialog.getByRole("button", { name: "Run again" }).click();
    await dialog.getByLabel("Reason").fill(reason);
    await dialog.getByRole("button", { name: "Run again" }).click();
    await expect(letterOf(well)).toHaveCount(0, { timeout: 30_000 });
    await expect(page.getByRole("dialog")).toHaveCount(0);

    await letterOf(given).getByRole("button", { name: "user.updated", exact: true }).click();
    await dialog.getByRole("button", { name: "Give up for good" }).click();
    await dialog.getByLabel("Reason").fill(reason);
    await dialog.getByRole("button", { name: "Give it up" }).click();
    await expect(letterOf(given)).toHaveCount(0, { timeout: 20_000 });
  } finally {
    await database.close();
  }
});
