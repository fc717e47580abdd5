// What holds for every page: it is accessible, fits its screen in both themes, and is reached by keys alone.

import { AxeBuilder } from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { openInstall } from "./install.ts";

const install = openInstall();

const pages = [
  ["overview", "/", "Overview"],
  ["services", "/services", "Services"],
  ["work", "/work", "Work"],
  ["switches", "/switches", "Switches"],
  ["canaries", "/canaries", "Canaries"],
  ["limits", "/limits", "Limits"],
  ["caches", "/caches", "Caches"],
  ["applications", "/applications", "Applications"],
  ["reports", "/reports", "Reports"],
  ["people", "/people", "People"],
  ["mail", "/mail", "Mail"],
  ["audit", "/audit", "Audit log"],
] as const;

test("every page is accessible in both themes and fits a wide and a narrow screen", async ({
  page,
}, info) => {
  test.setTimeout(pages.length * 20_000);
  await install.signIn(page);
  for (const [name, path, heading] of pages) {
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.goto(install.console + path);
    await expect(page.getByRole("heading", { name: heading, exact: true, level: 1 })).toBeVisible();
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const axe = new AxeBuilder({ page });
      // The second theme differs in its colours alone.
      const { violations } = await (colorScheme === "light"
        ? axe
        : axe.withRules("color-contrast")
      ).analyze();
      expect(
        violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
        `${name} has no barrier (${colorScheme})`,
      ).toEqual([]);
      await page.screenshot({ path: info.outputPath(`${name}-${colorScheme}-wide.png`) });
    }
    await page.setViewportSize({ width: 390, height: 844 });
    const wider = await page.evaluate<number>(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    expect(wider, `${name} scrolls sideways at 390 px`).toBeLessThanOrEqual(0);
    await page.screenshot({ path: info.outputPath(`${name}-narrow.png`) });
  }
});

test("a narrow screen has every page in its menu", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await install.signIn(page);
  await page.goto(install.console);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  for (const name of ["Limits", "Audit log"]) {
    await page.getByRole("button", { name: "Pages" }).click();
    await page.getByRole("dialog").getByRole("link", { name }).click();
    await expect(page.getByRole("heading", { name, level: 1 })).toBeVisible();
    await expect(page.getByRole("dialog")).toHaveCount(0);
  }
});

test("what is typed for a page's filter while the page still changes reaches it", async ({ page }) => {
  await install.signIn(page);
  await page.goto(install.console);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  // Nobody waits between the keys, nor for the page to come alive.
  for (const [key, typed] of [
    ["s", "feed.home"],
    ["l", "user"],
    ["m", "confirm"],
    ["s", "auth"],
    ["c", "users"],
  ] as const) {
    await page.keyboard.type(`g${key}/${typed}`);
    await expect(page.getByRole("searchbox")).toBeFocused();
    await expect(page.getByRole("searchbox")).toHaveValue(typed);
    await page.keyboard.press("Tab");
  }
});

test("a button that is pressed before the page's code is there does what it says once it is, and once", async ({
  page,
}) => {
  await install.signIn(page);
  const released = Promise.withResolvers<void>();
  await page.route("**/_next/static/**/*.js", async (route) => {
    await released.promise;
    await route.continue();
  });
  await page.goto(`${install.console}/canaries`, { waitUntil: "commit" });
  await page.getByRole("button", { name: "Add a freeze" }).click();
  await expect(page.getByRole("dialog")).toBeHidden();
  released.resolve();
  await expect(page.getByRole("dialog", { name: "Add a freeze" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
});

test("anything is one name away: Ctrl K opens a switch, a limit and a page", async ({ page }) => {
  await install.signIn(page);
  await page.goto(install.console);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  const field = page.getByRole("combobox", { name: "A page, a switch, a limit or a person" });
  const openPalette = async () => {
    // The dialog before it is gone, and its page there: a key that falls between two pages is pressed again.
    await expect(page.getByRole("dialog")).toBeHidden();
    await expect(async () => {
      await page.keyboard.press("Control+k");
      await expect(field).toBeVisible({ timeout: 2_000 });
    }).toPass();
  };
  await openPalette();
  await field.fill("switch post create");
  await expect(page.getByRole("option", { selected: true })).toContainText("feed.post.create");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toContainText("Turn off feed.post.create");
  await page.keyboard.press("Escape");
  await openPalette();
  await field.fill("limit user");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toContainText("Change the limit user");
  await page.keyboard.press("Escape");
  await openPalette();
  await field.fill("aud");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Audit log" })).toBeVisible();
});
