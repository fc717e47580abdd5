// Prints a one-time sign-in link for the first operator, where the environment says what the install's secret is: for containers.
//   node apps/cli/src/sign-in-link.ts

import { readFileSync } from "node:fs";
import { readConfig } from "@signalbox/core/config";
import { mintSignInLink } from "./install.ts";

const { SIGNALBOX_SECRET, SIGNALBOX_SECRET_FILE, SIGNALBOX_CONSOLE_URL } = readConfig(process.env);
const secret = SIGNALBOX_SECRET ?? readFileSync(SIGNALBOX_SECRET_FILE!, "utf8").trim();
console.log(await mintSignInLink(secret, SIGNALBOX_CONSOLE_URL));
