// The first path through every floor, as two people and an operator walk it.

import { expect, test } from "@playwright/test";
import { createPeople } from "../apps/cli/src/testing/people.ts";
import { openInstall } from "./install.ts";

const install = openInstall();
const people = createPeople(install.api);

test("an operator turns posting off in the console, callers read why, and the signals show it", async ({
  page,
}, info) => {
  const [ann, bob] = [await people.register("ann"), await people.register("bob")];
  await people.call("PUT", `/v1/users/${ann.handle}/follow`, bob.token);
  expect(await people.feed(bob.token)).toEqual([]);
  const posted = await people.call("POST", "/v1/posts", ann.token, { text: "hello from the signal box" });
  expect(posted.status).toBe(201);
  await expect.poll(() => people.feed(bob.token)).toEqual([posted.body.id]);

  await page.goto(await install.signInLink());
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await expect(page.getByRole("row", { name: /feed\.post\.create/ })).toBeVisible();

  await page.getByRole("link", { name: /Switches/ }).click();
  await page.getByRole("button", { name: "Turn off feed.post.create" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("the feed is slow");
  await dialog.getByLabel("Message to callers").fill("Posting is paused for ten minutes.");
  await page.screenshot({ path: info.outputPath("flip.png") });
  await dialog.getByRole("button", { name: "Turn off for everyone" }).click();
  await expect(dialog.getByText(/2 of 2/)).toBeVisible();
  await page.screenshot({ path: info.outputPath("confirmed.png") });
  await dialog.getByRole("button", { name: "Done" }).click();

  const refused = await people.call("POST", "/v1/posts", ann.token, { text: "nobody will read this" });
  expect(refused.status).toBe(503);
  expect(refused.headers.get("content-type")).toContain("application/problem+json");
  expect(refused.body).toMatchObject({ code: "disabled", detail: "Posting is paused for ten minutes." });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);

  await page.getByRole("link", { name: "Overview" }).click();
  const row = page.getByRole("row", { name: /feed\.post\.create/ });
  await expect(row).toContainText("Off");
  await expect(row.getByRole("cell").nth(4)).toHaveText("1");

  for (const path of ["/", "/switches"]) {
    await page.goto(install.console + path);
    await expect(page.getByText("feed.post.create").first()).toBeVisible();
    await page.screenshot({ path: info.outputPath(`off${path.replace("/", "-")}.png`) });
  }

  await page.goto(`${install.console}/switches`);
  await page.getByRole("button", { name: "Change feed.post.create" }).click();
  await dialog.getByLabel("Reason").fill("all is well again");
  await dialog.getByRole("button", { name: "Turn on" }).click();
  await expect(dialog.getByText(/2 of 2/)).toBeVisible();
  expect((await people.call("POST", "/v1/posts", ann.token, { text: "back" })).status).toBe(201);
});

test("a sign-in link works once, and a page without a session leads to the sign-in and back", async ({
  page,
  browser,
}) => {
  const link = await install.signInLink();
  await page.goto(`${install.console}/switches`);
  await expect(page).toHaveURL(/\/sign-in/);
  await page.goto(link);
  await expect(page.getByRole("navigation")).toBeVisible();
  const stranger = await (await browser.newContext()).newPage();
  await stranger.goto(link);
  await expect(stranger.getByRole("main").getByRole("alert")).toContainText(/used|once/i);
});

test("the console works by keyboard alone", async ({ page }) => {
  await page.goto(await install.signInLink());
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await expect(page.getByRole("heading", { name: "Switches" })).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox")).toBeFocused();
  await page.keyboard.type("feed.home");
  await expect(page.getByRole("button", { name: "Turn off feed.home.read" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Turn off auth.account.register" })).toHaveCount(0);
  // Out of the field, where ? is a letter like any other.
  await page.keyboard.press("Tab");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
});
