// The install that the browser tests share; install.setup.ts starts it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { mintSignInToken } from "@signalbox/control/sign-in";

type Shared = { api: string; console: string; dataDir: string; postgres: string };

export function openInstall() {
  const { api, console, dataDir, postgres } = JSON.parse(process.env.E2E_INSTALL ?? "{}") as Shared;
  /** A fresh one each time, since each works once. */
  const mint = () =>
    mintSignInToken(readFileSync(join(dataDir, "secrets/master.key"), "utf8").trim(), { ttlMs: 60_000 });
  return {
    api,
    console,
    postgres,
    signInLink: async () => `${console}/sign-in#${mint()}`,
    /** As the page of the link does it, for tests of what comes after. */
    async signIn(page: Page) {
      const answer = await page.request.post(`${console}/operator/v1/session`, { data: { token: mint() } });
      if (!answer.ok()) throw new Error(`signing in answered ${answer.status()}: ${await answer.text()}`);
    },
    /** A call of the operator API by whoever is signed in on the page. */
    async operate(page: Page, method: string, path: string, data?: object) {
      const answer = await page.request.fetch(`${console}/operator/v1${path}`, {
        method,
        // The server may close a connection that rested at the very moment in which it is used again.
        maxRetries: 3,
        ...(data ? { data } : {}),
      });
      if (!answer.ok())
        throw new Error(`${method} ${path} answered ${answer.status()}: ${await answer.text()}`);
      return answer.status() === 204 ? undefined : answer.json();
    },
  };
}
