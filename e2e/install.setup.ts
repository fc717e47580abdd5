// One whole install for all browser tests, started through the command like any other.

import { startInstallForTest } from "../apps/cli/src/testing/install.ts";

export default async function setup() {
  const install = await startInstallForTest({ portBase: 22_000, console: true });
  process.env.E2E_INSTALL = JSON.stringify({
    ...install.runFile(),
    token: install.operatorToken,
    dataDir: install.dataDir,
  });
  return () => install.stop();
}
