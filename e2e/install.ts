// The install that the browser tests share; install.setup.ts starts it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mintSignInToken } from "@signalbox/control/sign-in";

type Shared = { api: string; console: string; dataDir: string };

export function openInstall() {
  const { api, console, dataDir } = JSON.parse(process.env.E2E_INSTALL ?? "{}") as Shared;
  return {
    api,
    console,
    /** A fresh one each time, since each works once. */
    signInLink: async () => {
      const secret = readFileSync(join(dataDir, "secrets/master.key"), "utf8").trim();
      return `${console}/sign-in#${mintSignInToken(secret, { ttlMs: 60_000 })}`;
    },
  };
}
