// judge: what the judge of canaries says of signals that were recorded, on this platform or elsewhere.
import { readFileSync } from "node:fs";
import { judgeAgain, judgeSignals, readSignals, signalColumns } from "@signalbox/control/canary/recorded";
import { templates } from "@signalbox/control/canary/rules";
import type { Command, Values } from "../command.ts";
import { Fault } from "../fault.ts";
import { dim, green, red, yellow } from "../screen.ts";

export const command: Command = {
  name: "judge",
  usage: "judge FILE [--ladder NAME] [--json]",
  text: `Judges a recorded canary: a CSV file of counts, one line for five seconds, with the columns
${signalColumns.join()};
or a canary's story (GET /operator/v1/canaries/{id}), whose decisions are judged again on their own evidence.
Exit code 1 where a canary would be turned back, or a decision would be another one.`,
  words: 1,
  options: {
    ladder: {
      type: "string",
      value: "NAME",
      text: `of counts: ${Object.keys(templates).join(", ")} (quick)`,
    },
    json: { type: "boolean", text: "as JSON" },
  },
  async run(values, [path]) {
    if (path === undefined) throw new Fault("judge needs a file.", `Usage: ./signalbox ${this.usage}`);
    const text = readText(path);
    return text.trimStart().startsWith("{") ? again(JSON.parse(text), values) : signals(text, values);
  },
};

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault(
      `${path} can not be read: ${(error as Error).message}`,
      "Name a file of counts, or a story.",
    );
  }
}

function again(story: unknown, { json }: Values): number {
  const judged = judgeAgain(story);
  if (json) console.log(JSON.stringify({ decisions: judged }));
  else
    for (const { act, then, now, why, isSame } of judged)
      console.log(
        isSame
          ? `  ${green("✓")} ${act}: ${then} then and now; ${dim(why)}`
          : `  ${red("✗")} ${act}: ${then} then, ${now} now; ${why}`,
      );
  return judged.every(({ isSame }) => isSame) ? 0 : 1;
}

function signals(text: string, { ladder = "quick", json }: Values): number {
  const steps = (templates as Record<string, (typeof templates)[keyof typeof templates]>)[String(ladder)];
  if (!steps)
    throw new Fault(`There is no ladder ${ladder}.`, `There are: ${Object.keys(templates).join(", ")}.`);
  const { acts, verdict } = judgeSignals(readSignals(text), { steps: [...steps] });
  const last = acts.at(-1)?.act;
  const isTurnedBack = last === "abort";
  if (json) console.log(JSON.stringify({ acts, verdict }));
  else {
    for (const { seconds, act, step, why } of acts)
      console.log(
        `  ${act === "abort" ? red("✗") : green("✓")} after ${seconds} s, step ${step + 1}: ${act}; ${dim(why)}`,
      );
    if (last !== "abort" && last !== "promote")
      console.log(`  ${yellow("!")} the file ends; it holds: ${verdict.why}`);
  }
  return isTurnedBack ? 1 : 0;
}
