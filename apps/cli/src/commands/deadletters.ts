// deadletters: events that no attempt could handle: shown, run again, or given up.
import { type Command, dataDirOption, type Values } from "../command.ts";
import { chosenDataDir } from "../data-dir.ts";
import { Fault } from "../fault.ts";
import { type OperatorApi, operatorApi } from "../operator-api.ts";
import { dim, green, red } from "../screen.ts";

type Letter = {
  id: string;
  queue: string;
  topic: string;
  key: string;
  error: string;
  attempts: number;
  failedAt: string;
  replayRequestedAt: string | null;
  waiting: number;
};

const usage = "deadletters list | replay ID|QUEUE|--all | discard ID";

export const command: Command = {
  name: "deadletters",
  usage: `${usage} [--reason TEXT] [--data-dir DIR]`,
  text: "Events that no attempt could handle. Later events of the same user wait behind them; a replay runs them in order.",
  words: 2,
  options: {
    all: { type: "boolean", text: "with replay: every dead letter" },
    queue: { type: "string", value: "QUEUE", text: "with list: only those of this queue" },
    json: { type: "boolean", text: "with list: as JSON" },
    reason: { type: "string", value: "TEXT", text: "why, for the log of operators" },
    ...dataDirOption,
  },
  async run(values, [verb, which]) {
    if (verb !== "list" && verb !== "replay" && verb !== "discard")
      throw new Fault(
        verb === undefined ? "deadletters needs a verb." : `deadletters can not "${verb}".`,
        `Usage: ./signalbox ${usage}`,
      );
    const api = operatorApi(chosenDataDir(values));
    if (verb === "list") return list(api, values);
    const reason = String(values.reason ?? `${verb} on the command line`);
    return verb === "replay" ? replay(api, which, values, reason) : discard(api, which, reason);
  },
};

async function list(api: OperatorApi, values: Values): Promise<number> {
  const queue = typeof values.queue === "string" ? `?queue=${encodeURIComponent(values.queue)}` : "";
  const { items } = await api.call<{ items: Letter[] }>("GET", `/operator/v1/deadletters${queue}`);
  if (values.json) {
    console.log(JSON.stringify({ items }));
    return 0;
  }
  if (items.length === 0) {
    console.log(`  ${green("✓")} no dead letters`);
    return 0;
  }
  for (const { id, queue, topic, key, error, attempts, failedAt, replayRequestedAt, waiting } of items) {
    console.log(`  ${red("✗")} ${id.padEnd(6)} ${queue.padEnd(14)} ${topic.padEnd(28)} ${dim(failedAt)}`);
    console.log(`    ${error.split("\n")[0]}`);
    const state = replayRequestedAt ? "; a replay is under way" : "";
    console.log(dim(`    ${attempts} attempts; ${waiting} events of ${key} wait behind it${state}`));
  }
  console.log(`\n  Run one again: ./signalbox deadletters replay ${items[0]!.id}`);
  return 0;
}

async function replay(api: OperatorApi, which: string | undefined, { all }: Values, reason: string) {
  if ((which === undefined) === !all)
    throw new Fault("replay needs the id of a letter, a queue, or --all.", `Usage: ./signalbox ${usage}`);
  const isId = which !== undefined && /^\d+$/.test(which);
  const { asked } = isId
    ? await api.call<{ asked: number }>("POST", `/operator/v1/deadletters/${which}/replay`, { reason })
    : await api.call<{ asked: number }>("POST", "/operator/v1/deadletters/replay", {
        ...(which === undefined ? { all: true } : { queue: which }),
        reason,
      });
  console.log(
    asked === 0
      ? `  ${green("✓")} no dead letters${which === undefined ? "" : ` of ${which}`}`
      : `  ${asked} asked to run again; the workers begin within 2 s`,
  );
  return 0;
}

async function discard(api: OperatorApi, id: string | undefined, reason: string) {
  if (id === undefined)
    throw new Fault("discard needs the id of a letter.", "See: ./signalbox deadletters list");
  await api.send("DELETE", `/operator/v1/deadletters/${encodeURIComponent(id)}`, { reason });
  console.log(`  ${id} is given up; what waited behind it goes on`);
  return 0;
}
