// rebuild: compares a read model with the truth and heals what differs, while everyone goes on using it.
import { setTimeout as pause } from "node:timers/promises";
import { type Command, dataDirOption } from "../command.ts";
import { chosenDataDir } from "../data-dir.ts";
import { Fault } from "../fault.ts";
import { type OperatorApi, operatorApi } from "../operator-api.ts";
import { dim, green, red, yellow } from "../screen.ts";

type Run = {
  id: string;
  heals: boolean;
  state: "running" | "done";
  total: number;
  done: number;
  wrong: number;
  error: string | null;
};
type ReadModel = { name: string; module: string; text: string; run: Run | null };

const askEveryMs = 500;

export const command: Command = {
  name: "rebuild",
  usage: "rebuild [READMODEL] [--verify] [--reason TEXT] [--data-dir DIR]",
  text: `Compares a read model with the truth and heals what differs, while it is in use. A run that was interrupted goes on where it
stopped. Without a name: which there are. With --verify nothing is changed; exit code 1 if anything is wrong.`,
  words: 1,
  options: {
    verify: { type: "boolean", text: "only compare" },
    reason: { type: "string", value: "TEXT", text: "why, for the log of operators" },
    ...dataDirOption,
  },
  async run(values, [name]) {
    const api = operatorApi(chosenDataDir(values));
    if (name === undefined) {
      if (values.verify)
        throw new Fault("--verify needs a read model.", "Which there are: ./signalbox rebuild");
      return list(api);
    }
    const begun = await api.call<ReadModel>(
      "POST",
      `/operator/v1/readmodels/${encodeURIComponent(name)}/rebuild`,
      {
        compareOnly: values.verify === true,
        reason: String(values.reason ?? "asked for on the command line"),
      },
    );
    const run = await follow(api, begun);
    const over = `${run.done.toLocaleString("en")} gone over`;
    if (run.wrong === 0) console.log(`  ${green("✓")} ${name}: ${over}, all as the truth has it`);
    else if (run.heals)
      console.log(`  ${green("✓")} ${name}: ${over}, ${run.wrong.toLocaleString("en")} healed`);
    else console.log(`  ${red("✗")} ${name}: ${over}, ${run.wrong.toLocaleString("en")} wrong`);
    return run.wrong > 0 && !run.heals ? 1 : 0;
  },
};

async function list(api: OperatorApi): Promise<number> {
  const { items } = await api.call<{ items: ReadModel[] }>("GET", "/operator/v1/readmodels");
  for (const { name, text, run } of items) {
    console.log(`  ${name.padEnd(14)}${text}`);
    if (run) console.log(dim(`  ${"".padEnd(14)}${run.state}: ${run.done} gone over, ${run.wrong} wrong`));
  }
  return 0;
}

async function follow(api: OperatorApi, { name, run: begun }: ReadModel): Promise<Run> {
  let shown = "";
  for (;;) {
    const { run } = await api.call<ReadModel>("GET", `/operator/v1/readmodels/${encodeURIComponent(name)}`);
    // Someone asked again since: that one is not ours, and ours is done.
    if (!run || run.id !== begun?.id) return { ...begun!, state: "done" };
    const share = Math.min(100, Math.floor((100 * run.done) / Math.max(run.total, run.done, 1)));
    const line = run.error
      ? `  ${yellow("!")} ${run.error}; it goes on from there`
      : `  ${`${share} %`.padStart(5)}  ${run.done.toLocaleString("en")} gone over, ${run.wrong.toLocaleString("en")} wrong`;
    if (run.state === "done") return run;
    if (line !== shown) console.log(line);
    shown = line;
    await pause(askEveryMs);
  }
}
