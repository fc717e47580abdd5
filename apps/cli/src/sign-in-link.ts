// Prints a one-time sign-in link for an operator, by name, where the environment says what the install's secret is: for containers.
//   node apps/cli/src/sign-in-link.ts [NAME]

import { readFileSync } from "node:fs";
import { operatorName } from "@signalbox/control/sign-in";
import { readConfig } from "@signalbox/core/config";
import { mintSignInLink } from "./install.ts";

const { SIGNALBOX_SECRET, SIGNALBOX_SECRET_FILE, SIGNALBOX_CONSOLE_URL } = readConfig(process.env);
const secret = SIGNALBOX_SECRET ?? readFileSync(SIGNALBOX_SECRET_FILE!, "utf8").trim();
const [name] = process.argv.slice(2);
if (name !== undefined && !operatorName.test(name)) {
  console.error(
    `A name is 1 to 40 small letters, digits, dots, dashes and underscores, a letter first: not ${name}.`,
  );
  process.exit(1);
}
console.log(await mintSignInLink(secret, SIGNALBOX_CONSOLE_URL, name === undefined ? {} : { name }));
