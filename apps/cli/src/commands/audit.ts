// audit: whether anyone edited, removed or rewrote an act in the log of operators.
import { type Command, dataDirOption } from "../command.ts";
import { chosenDataDir } from "../data-dir.ts";
import { Fault } from "../fault.ts";
import { operatorApi } from "../operator-api.ts";
import { green, red } from "../screen.ts";

type Verdict = {
  ok: boolean;
  checked: number;
  head: { revision: number; hash: string };
  fault: { revision: number; why: string } | null;
};

export const command: Command = {
  name: "audit",
  usage: "audit verify [--json] [--data-dir DIR]",
  text: "Checks the log of operators' acts link by link, and its end against what every process enforces. Exit code 1 if anything was changed.",
  words: 1,
  options: { json: { type: "boolean", text: "as JSON" }, ...dataDirOption },
  async run(values, [verb]) {
    if (verb !== "verify")
      throw new Fault(
        verb === undefined ? "audit needs a verb." : `audit can not "${verb}".`,
        "Usage: ./signalbox audit verify",
      );
    const verdict = await operatorApi(chosenDataDir(values)).call<Verdict>(
      "GET",
      "/operator/v1/audit/verify",
    );
    const { ok, checked, head, fault } = verdict;
    if (values.json) console.log(JSON.stringify(verdict));
    else if (ok)
      console.log(
        `  ${green("✓")} ${checked} acts, unbroken; the head is ${head.revision} ${head.hash.slice(0, 16)}…`,
      );
    else console.log(`  ${red("✗")} the act ${fault?.revision}: ${fault?.why}`);
    return ok ? 0 : 1;
  },
};
