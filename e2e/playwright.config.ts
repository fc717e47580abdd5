import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: ".",
  globalSetup: "./install.setup.ts",
  outputDir: "../artifacts/e2e",
  timeout: 60_000,
  expect: { timeout: 10_000 },
  workers: 1,
  // What passes on its second run only is called flaky in the totals.
  retries: 1,
  use: {
    launchOptions: {
      executablePath: process.env.SIGNALBOX_CHROMIUM ?? "/usr/bin/chromium",
      // Chromium's own sandbox refuses to run as root.
      args: [
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
      ],
    },
    trace: "retain-on-failure",
  },
});
