// The install that the browser tests share; install.setup.ts starts it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { mintSignInToken } from "@signalbox/control/sign-in";

type Shared = { api: string; console: string; dataDir: string };

export function openInstall() {
  const { api, console, dataDir } = JSON.parse(process.env.E2E_INSTALL ?? "{}") as Shared;
  /** A fresh one each time, since each works once. */
  const mint = () =>
    mintSignInToken(readFileSync(join(dataDir, "secrets/master.key"), "utf8").trim(), { ttlMs: 60_000 });
  return {
    api,
    console,
    signInLink: async () => `${console}/sign-in#${mint()}`,
    /** As the page of the link does it, for tests of what comes after. */
    async signIn(page: Page) {
      const answer = await page.request.post(`${console}/operator/v1/session`, { data: { token: mint() } });
      if (!answer.ok()) throw new Error(`signing in answered ${answer.status()}: ${await answer.text()}`);
    },
  };
}
