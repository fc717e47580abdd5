// What operators do besides turning switches, each through the page that they have for it.

import { expect, type Page, test } from "@playwright/test";
import { createPeople } from "../apps/cli/src/testing/people.ts";
import { openInstall } from "./install.ts";

const install = openInstall();
const people = createPeople(install.api);

const open = async (page: Page, path: string) => {
  await install.signIn(page);
  await page.goto(install.console + path);
};

test("a mail that nobody sent is read in the mailbox, and its token proves the address", async ({ page }) => {
  const ann = await people.register("ann");
  await open(page, "/mail");
  await page.getByRole("searchbox").fill(ann.handle);
  await page.getByRole("button", { name: "Confirm your e-mail address" }).click();
  const mail = page.getByRole("dialog");
  await expect(mail).toContainText(`${ann.handle}@example.test`);
  const token = (await mail.locator("code").textContent()) ?? "";
  const verified = await people.call("POST", "/v1/auth/email/verify", undefined, { token });
  expect(verified.status).toBe(204);
  await page.keyboard.press("Escape");
  await page.getByRole("searchbox").fill("nobody at all");
  await expect(page.getByText("No mail matches")).toBeVisible();
});

test("two people report a post; an operator deletes it, suspends its author, and lifts that again", async ({
  page,
}) => {
  const [eve, ann, bob] = [
    await people.register("eve"),
    await people.register("ann"),
    await people.register("bob"),
  ];
  await open(page, "/reports");
  await expect(page.getByRole("heading", { name: "Reports" })).toBeVisible();
  const post = (await people.call("POST", "/v1/posts", eve.token, { text: `Buy followers, ${eve.handle}!` }))
    .body;
  for (const [{ token }, reason] of [
    [ann, "spam"],
    [bob, "a lie"],
  ] as const)
    await people.call("POST", "/v1/reports", token, { subject: { kind: "post", id: post.id }, reason });

  // Nobody reloads the page.
  const card = page.getByRole("article", { name: new RegExp(eve.handle) });
  await expect(card).toContainText("2 reports by 2 people");
  await expect(card).toContainText(`Buy followers, ${eve.handle}!`);
  await card.getByRole("button", { name: "Suspend the author" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByLabel("Delete this post too")).toBeChecked();
  await dialog.getByRole("button", { name: "Suspend" }).click();
  await expect(dialog.getByText("Say why")).toBeVisible();
  await dialog.getByLabel("Reason").fill("sells followers");
  await dialog.getByRole("button", { name: "Suspend" }).click();
  await expect(card).toHaveCount(0);
  await expect(dialog).toHaveCount(0);
  expect((await people.call("GET", `/v1/posts/${post.id}`)).status).toBe(404);
  await expect.poll(async () => (await people.call("GET", "/v1/me", eve.token)).status).toBe(401);

  await page.getByText("Decided", { exact: true }).click();
  await expect(card.first()).toHaveCount(0);
  await expect(page.getByText("sells followers").first()).toBeVisible();

  await page.goto(`${install.console}/people?q=${eve.handle}`);
  await page.getByRole("link", { name: `@${eve.handle}` }).click();
  await expect(page.getByText("sells followers").first()).toBeVisible();
  await expect(page.getByText("Signed in nowhere")).toBeVisible();
  await page.getByRole("button", { name: "Lift the suspension" }).click();
  await dialog.getByLabel("Reason").fill("promised to stop");
  await dialog.getByRole("button", { name: "Lift the suspension" }).click();
  await expect(page.getByText("in good standing")).toBeVisible();
  const login = { login: eve.handle, password: "a long enough phrase" };
  expect((await people.call("POST", "/v1/auth/login", undefined, login)).status).toBe(200);

  await page.getByRole("link", { name: "Operators’ acts" }).click();
  await expect(page.getByText("Suspension lifted")).toBeVisible();
  await expect(page.getByText("promised to stop")).toBeVisible();
});

test("an export is made and fetched; an erasure needs the name, and then nobody is there", async ({
  page,
}) => {
  const finn = await people.register("finn");
  await open(page, `/people/${finn.handle}`);
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Export" }).click();
  await dialog.getByLabel("Reason").fill("asked by mail");
  await dialog.getByRole("button", { name: "Export" }).click();
  const [archive] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Download the archive" }).click(),
  ]);
  expect(await archive.failure()).toBeNull();

  await page.getByRole("button", { name: "Erase" }).click();
  await dialog.getByLabel("Reason").fill("asked by mail");
  await dialog.getByRole("button", { name: "Erase for good" }).click();
  await expect(dialog.getByText("This is not")).toBeVisible();
  await dialog.getByLabel(`Type ${finn.handle} to be sure`).fill(finn.handle);
  await dialog.getByRole("button", { name: "Erase for good" }).click();
  await expect(page.getByText("There is no account under this name")).toBeVisible();
  await expect(page.getByRole("listitem").filter({ hasText: "Erasure" }).first()).toContainText("Done");
  expect((await people.call("GET", `/v1/users/${finn.handle}`)).status).toBe(404);
});

test("a limit is changed, refuses at once, is reset, and the log has both acts", async ({ page }) => {
  const ann = await people.register("ann");
  await open(page, "/limits");
  await page.getByRole("button", { name: "Limit another call" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Call", { exact: true }).fill("feed.post.create");
  await dialog.getByLabel("Calls a second").fill("1");
  await dialog.getByLabel("At once, after a rest").fill("1");
  await dialog.getByLabel("Reason").fill("a spam wave");
  await dialog.getByText("15 min").click();
  await dialog.getByRole("button", { name: "Change the limit" }).click();
  await expect(dialog.getByText(/2 of 2/)).toBeVisible();
  await dialog.getByRole("button", { name: "Done" }).click();
  const posts = await Promise.all(
    ["one", "two", "three"].map((text) => people.call("POST", "/v1/posts", ann.token, { text })),
  );
  expect(posts.map(({ status }) => status).sort()).toEqual([201, 429, 429]);
  const row = page.getByRole("listitem").filter({ hasText: "feed.post.create" });
  await expect(row).toContainText("ends in 15 min");
  await expect(row).toContainText(/[1-9] refused/);

  await page.getByRole("button", { name: "Reset feed.post.create" }).click();
  await dialog.getByLabel("Reason").fill("it is over");
  await dialog.getByRole("button", { name: "Take it away" }).click();
  await expect(dialog.getByText(/2 of 2/)).toBeVisible();
  await dialog.getByRole("button", { name: "Done" }).click();
  await expect(row).toHaveCount(0);

  await page.goto(`${install.console}/audit?key=feed.post.create`);
  await expect(page.getByText("it is over").first()).toBeVisible();
  await page
    .getByRole("button", { name: /Set to 1\/s/ })
    .first()
    .click();
  await expect(dialog).toContainText("a spam wave");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Check that it is whole" }).click();
  await expect(page.getByText(/^Whole:/)).toBeVisible();
});

test("an application's key is shown once, works where it may, and is refused once revoked", async ({
  page,
}) => {
  const ann = await people.register("ann");
  const name = `Garden ${ann.handle}`;
  await open(page, "/applications");
  await page.getByRole("button", { name: "New application" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel("May call").fill("not/a/name");
  await dialog.getByLabel("Reason").fill("a partner");
  await dialog.getByRole("button", { name: "Make the key" }).click();
  await expect(dialog.getByText(/not\/a\/name must be a procedure/)).toBeVisible();
  await dialog.getByLabel("May call").fill("users.profile");
  await dialog.getByRole("button", { name: "Make the key" }).click();
  const key = (await dialog.locator("code").first().textContent()) ?? "";
  expect(key).toMatch(/^sba_/);
  await dialog.getByRole("button", { name: "I have kept it" }).click();
  await expect(page.getByText(key)).toHaveCount(0);

  const ask = async (path: string) =>
    (await fetch(install.api + path, { headers: { "x-api-key": key } })).status;
  expect(await ask(`/v1/users/${ann.handle}`)).toBe(200);
  expect(await ask(`/v1/users/${ann.handle}/posts`)).toBe(403);
  await page.getByRole("button", { name: `Revoke ${name}` }).click();
  await dialog.getByLabel("Reason").fill("leaked");
  await dialog.getByRole("button", { name: "Revoke the key" }).click();
  await expect(page.getByRole("listitem").filter({ hasText: name })).toContainText("Revoked");
  await expect.poll(() => ask(`/v1/users/${ann.handle}`)).toBe(401);
});

test("services and dependencies are well, and every instance forgets a cache when told", async ({ page }) => {
  await open(page, "/services");
  await expect(page.getByRole("row", { name: /^api/ })).toContainText("Healthy");
  await expect(page.getByRole("row", { name: /^workers/ })).toContainText("Healthy");
  await expect(page.getByRole("listitem").filter({ hasText: "postgres" })).toContainText("Asked");
  await page.goto(`${install.console}/caches`);
  await page.getByRole("button", { name: "Forget users.profile" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("edited by hand");
  await dialog.getByRole("button", { name: "Forget", exact: true }).click();
  await expect(dialog.getByText(/2 of 2/)).toBeVisible();
});

test("a canary is started with its estimate in sight, and aborted", async ({ page }) => {
  // A route has one at a time, and another attempt of this test may have left one.
  await install.signIn(page);
  const canaries = `${install.console}/operator/v1/canaries`;
  const { items } = (await (await page.request.get(canaries)).json()) as {
    items: { id: string; inForce: boolean }[];
  };
  for (const { id, inForce } of items)
    if (inForce) await page.request.post(`${canaries}/${id}/abort`, { data: { reason: "left behind" } });

  await open(page, "/canaries");
  await page.getByRole("button", { name: "Start a canary" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Call, job or prefix").fill("feed.post.create");
  await dialog.getByText("Quick", { exact: true }).click();
  await expect(dialog.getByRole("rowheader", { name: "5%", exact: true })).toBeVisible();
  await dialog.getByRole("button", { name: "Start the canary" }).click();
  await expect(dialog.getByText("Say why")).toBeVisible();
  await dialog.getByLabel("Reason").fill("posts by a shorter way");
  await dialog.getByRole("button", { name: "Start the canary" }).click();
  await expect(dialog.getByText(/2 of 2/)).toBeVisible();
  await dialog.getByRole("button", { name: "Done" }).click();

  // Another run of this test may have left one that is over.
  const row = page.getByRole("listitem").filter({ hasText: "feed.post.create" }).first();
  await expect(row).toContainText("Climbing");
  await row.getByRole("link").click();
  await expect(page.getByRole("heading", { name: "Canary of feed.post.create" })).toBeVisible();
  await expect(page.getByRole("listitem").and(page.locator("[aria-current=step]"))).toContainText("5%");
  await page.getByRole("button", { name: "Abort" }).click();
  await dialog.getByLabel("Reason").fill("only a test");
  await dialog.getByRole("button", { name: "Abort the canary" }).click();
  await expect(dialog.getByText(/2 of 2/)).toBeVisible();
  await dialog.getByRole("button", { name: "Done" }).click();
  await expect(page.getByText("Taken away from everybody")).toBeVisible();
  await expect(page.getByText("Only a test")).toBeVisible();
  await expect(page.getByRole("button", { name: "Abort" })).toHaveCount(0);
});
