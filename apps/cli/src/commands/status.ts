// status: what runs in a data folder, since when, and where it answers. Exit code 1 unless all of it is ready.
import { type Command, dataDirOption } from "../command.ts";
import { chosenDataDir } from "../data-dir.ts";
import { readJson } from "../files.ts";
import { readRunFile, signInLink } from "../install.ts";
import { memoryOf } from "../memory.ts";
import { identify } from "../process-identity.ts";
import { addressLines, dim, green, red, yellow } from "../screen.ts";
import { leftBehind } from "../supervisor/left-behind.ts";
import { lockHolder } from "../supervisor/lock.ts";
import type { InstallState } from "../supervisor/supervisor.ts";

export const command: Command = {
  name: "status",
  usage: "status [--data-dir DIR] [--json]",
  text: "Shows the processes of an install and its addresses. Exit code 1 unless everything is ready.",
  words: 0,
  options: { ...dataDirOption, json: { type: "boolean", text: "one JSON object instead of a table" } },
  async run(values) {
    const dir = chosenDataDir(values);
    const supervisor = lockHolder(dir.lockFile);
    const state = readJson<InstallState>(dir.stateFile);
    const left = supervisor ? [] : leftBehind(dir);
    const phase = supervisor ? (state?.phase ?? "starting") : left.length ? "supervisor gone" : "stopped";
    const processes = supervisor
      ? (state?.processes ?? [])
      : left.map(({ name, ...process }) => ({
          name,
          state: "unsupervised",
          process,
          since: "",
          restarts: 0,
        }));
    const addresses = readRunFile(dir);
    const running = phase === "ready" && processes.every((entry) => entry.state === "ready");
    const fault = running && addresses ? await faultOf(addresses.api) : undefined;
    const healthy = running && fault === undefined;
    if (values.json) {
      const { processes: _, ...where } = addresses ?? { processes: [] };
      console.log(
        JSON.stringify({ phase, ...(fault && { fault }), dataDir: dir.path, ...where, processes }, null, 2),
      );
      return healthy ? 0 : 1;
    }
    const shown = phase === "ready" ? green(phase) : phase === "stopped" ? phase : yellow(phase);
    console.log(`Signalbox in ${dir.path}: ${shown}`);
    if (supervisor) row("supervisor", "ready", supervisor.pid, state?.startedAt, 0);
    for (const { name, state, process, since, restarts, ...rest } of processes)
      row(name, state, process?.pid, since, restarts, "note" in rest ? rest.note : undefined);
    if (fault)
      console.log(
        `\n  ${red("✗")} ${fault}\n    ${dim("What it is, and the line that mends it: ./signalbox doctor --install")}`,
      );
    if (phase === "supervisor gone")
      console.log(
        "\n  Nothing watches over these. Take them over: ./signalbox up; or end them: ./signalbox down",
      );
    else if (addresses) {
      const link = healthy && addresses.console ? await signInLink(dir, addresses.console) : undefined;
      console.log(`\n${addressLines(addresses, link)}`);
    }
    return healthy ? 0 : 1;
  },
};

/** A process that runs is not yet an install that serves: what it needs may hang. */
async function faultOf(api: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${api}/readyz`, { signal: AbortSignal.timeout(5_000) });
    if (answer.ok) return undefined;
    const { output } = (await answer.json().catch(() => ({}))) as { output?: string };
    return `the gateway is ${output ?? `not ready (${answer.status})`}`;
  } catch {
    return "the gateway does not answer";
  }
}

function row(
  name: string,
  state: string,
  pid: number | undefined,
  since: string | undefined,
  restarts: number,
  note?: string,
) {
  const memory = pid && identify(pid) ? `${Math.round(memoryOf(pid, name !== "supervisor") / 1e6)} MB` : "";
  const paint = state === "ready" ? green : state === "stopped" ? red : yellow;
  const times = restarts ? `restarted ${restarts}×` : "";
  const facts = [since ? `since ${age(since)}` : "", times, note ?? ""].filter(Boolean).join(", ");
  console.log(
    `  ${name.padEnd(12)} ${paint(state.padEnd(13))} ${String(pid ?? "").padEnd(8)} ${memory.padEnd(8)} ${dim(facts)}`,
  );
}

function age(since: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
