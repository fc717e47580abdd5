// erase: takes away everything of a user, with progress, and proves it by a search through every table and key.
import { createInterface } from "node:readline/promises";
import { type Command, dataDirOption } from "../command.ts";
import { chosenDataDir } from "../data-dir.ts";
import { Fault } from "../fault.ts";
import { operatorApi } from "../operator-api.ts";
import { follow, type Request, search, showTraces } from "../personal.ts";

export const command: Command = {
  name: "erase",
  usage: "erase USER [--scan] [--reason TEXT] [--yes] [--data-dir DIR]",
  text: "Erases a user for good, given by handle, e-mail address or id, then searches every table and every key for what is left. Exit code 1 if anything is.",
  words: 1,
  options: {
    scan: { type: "boolean", text: "only search, erase nothing; of whoever is erased give the id" },
    handle: { type: "string", value: "HANDLE", text: "with --scan: search for this handle too" },
    email: { type: "string", value: "ADDRESS", text: "with --scan: search for this address too" },
    reason: {
      type: "string",
      value: "TEXT",
      text: "why, for the log of operators (it must not name the user)",
    },
    yes: { type: "boolean", short: "y", text: "do not ask" },
    ...dataDirOption,
  },
  async run(values, [user]) {
    if (!user) throw new Fault("erase needs a user.", "Example: ./signalbox erase ann");
    const api = operatorApi(chosenDataDir(values));
    const text = (name: string) => (typeof values[name] === "string" ? values[name] : null);
    const before = await search(api, user, { handle: text("handle"), email: text("email") });
    if (values.scan) {
      showTraces(before);
      return before.total === 0 ? 0 : 1;
    }
    console.log(`${before.handle ? `@${before.handle}` : user} (${before.userId}): ${before.total} traces`);
    if (!values.yes && process.stdin.isTTY && !(await agrees(before.handle ?? before.userId))) return 1;
    const request = await api.call<Request>("POST", `/operator/v1/users/${before.userId}/erase`, {
      reason: text("reason") ?? "erased on the command line",
    });
    await follow(api, request);
    console.log("Searching every table and key");
    const left = await search(api, before.userId, before);
    showTraces(left);
    return left.total === 0 ? 0 : 1;
  },
};

async function agrees(name: string): Promise<boolean> {
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await reader.question(`This can not be undone. Type ${name} to go on: `);
  reader.close();
  return answer.trim() === name;
}
