// switch: what is off, turning it from a terminal, also while everything else is down, and the settings as files for git.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { overridePath } from "@signalbox/control/disk";
import { type Command, dataDirOption, type Values } from "../command.ts";
import { chosenDataDir, type DataDir } from "../data-dir.ts";
import { Fault } from "../fault.ts";
import { readJson, writeWhole } from "../files.ts";
import { NoAnswer, operatorApi } from "../operator-api.ts";
import { dim, green, red, yellow } from "../screen.ts";

type Item = {
  key: string;
  state: "on" | "off";
  share: number;
  message: string;
  reason: string;
  incident: string | null;
  expiresAt: string | null;
  revision: number;
  changedBy: { name: string } | null;
  changedAt: string | null;
  isOverridden: boolean;
  flags: string[];
};
type Changed = {
  version: number;
  logged?: boolean;
  confirmations: { expected: number | null; confirmed: number; slowestMs: number | null; missing: string[] };
};
type File = { path: string; text: string };
type Override = { switches?: Record<string, object> } & Record<string, unknown>;

const usage = "switch list | off KEY | on KEY | clear KEY | revert ACT | export DIR | import DIR";

export const command: Command = {
  name: "switch",
  usage: `${usage} [OPTIONS]`,
  text: `Turns things off and on. Where the operator API does not answer, off writes the override file of this machine,
which every process here reads within a second; clear takes that back.`,
  words: 2,
  options: {
    reason: { type: "string", value: "TEXT", text: "why, for the log of operators" },
    incident: { type: "string", value: "NAME", text: "what it is done for, such as INC-42" },
    message: { type: "string", value: "TEXT", text: "with off: what callers read" },
    share: { type: "string", value: "PERCENT", text: "with off: how many callers it meets, to 0.001" },
    instead: { type: "string", value: "WHAT", text: "with off: refuse (usual), stale or degrade" },
    for: { type: "string", value: "TIME", text: "until it goes back by itself: 30m, 2h, 1d" },
    local: { type: "boolean", text: "with off and on: this machine's override file, and nothing else" },
    off: { type: "boolean", text: "with list: only what is off" },
    "dry-run": { type: "boolean", text: "with import: only what would change" },
    force: { type: "boolean", text: "with revert: although the key was changed since" },
    json: { type: "boolean", text: "as JSON" },
    ...dataDirOption,
  },
  async run(values, [verb, what]) {
    const dir = chosenDataDir(values);
    if (verb === "list") return list(dir, values);
    const work = verb === undefined ? undefined : verbs[verb];
    if (!work)
      throw new Fault(
        verb === undefined ? "switch needs a verb." : `switch can not "${verb}".`,
        `Usage: ./signalbox ${usage}`,
      );
    if (what === undefined)
      throw new Fault(`switch ${verb} needs one more word.`, `Usage: ./signalbox ${usage}`);
    return work(dir, what, values);
  },
};

const verbs: Record<string, (dir: DataDir, what: string, values: Values) => Promise<number>> = {
  off: (dir, key, values) => turn(dir, key, "off", values),
  on: (dir, key, values) => turn(dir, key, "on", values),
  clear: async (dir, key) => clear(dir, key),
  revert,
  export: exportFiles,
  import: importFiles,
};

async function list(dir: DataDir, values: Values): Promise<number> {
  const local = readOverride(dir).switches ?? {};
  let items: Item[];
  try {
    ({ items } = await operatorApi(dir).call<{ items: Item[] }>("GET", "/operator/v1/switches"));
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    console.error(`  ${yellow("!")} ${error.message} Only this machine's override file can be shown.`);
    if (values.json) console.log(JSON.stringify({ local }));
    else
      for (const [key, value] of Object.entries(local))
        console.log(`  ${red("off")}  ${key}  ${JSON.stringify(value)}`);
    return 1;
  }
  const shown = items.filter((item) => !values.off || item.state === "off" || item.isOverridden);
  if (values.json) {
    console.log(JSON.stringify({ items: shown, local }));
    return 0;
  }
  for (const {
    key,
    state,
    share,
    reason,
    expiresAt,
    changedBy,
    changedAt,
    revision,
    isOverridden,
    flags,
  } of shown) {
    const sign = state === "off" ? red(share < 100 ? `off ${share} %` : "off") : green("on");
    const end = expiresAt ? `, until ${expiresAt}` : "";
    const who = revision > 0 ? dim(`${reason}, ${changedBy?.name} ${changedAt}${end}`) : "";
    const marks = [...flags.filter((flag) => flag !== "undrilled"), ...(isOverridden ? ["overridden"] : [])];
    console.log(
      `  ${sign.padEnd(6)} ${key.padEnd(32)} ${who}${marks.length ? ` ${yellow(marks.join(", "))}` : ""}`,
    );
  }
  if (shown.length === 0) console.log(`  ${green("✓")} nothing is off`);
  return 0;
}

async function turn(dir: DataDir, key: string, state: "on" | "off", values: Values): Promise<number> {
  const value = {
    state,
    ...(values.share === undefined ? {} : { share: Number(values.share) }),
    ...(values.message === undefined ? {} : { message: String(values.message) }),
    ...(values.instead === undefined ? {} : { instead: String(values.instead) }),
    ...(values.for === undefined
      ? {}
      : { expiresAt: new Date(Date.now() + readSpan(String(values.for))).toISOString() }),
    ...whyOf(values, `${state} on the command line`),
  };
  if (values.local) return override(dir, key, value);
  try {
    const api = operatorApi(dir);
    return told(
      await api.call<Changed>("PUT", `/operator/v1/switches/${encodeURIComponent(key)}`, value),
      key,
      values,
    );
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    if (state === "on")
      throw new Fault(
        error.message,
        `What this machine's override file turned off is taken back by: ./signalbox switch clear ${key}`,
      );
    console.error(`  ${yellow("!")} ${error.message} So it goes into this machine's override file.`);
    return override(dir, key, value);
  }
}

function told({ version, logged, confirmations }: Changed, key: string, values: Values): number {
  const { expected, confirmed, slowestMs, missing } = confirmations;
  if (values.json) console.log(JSON.stringify({ version, logged, confirmations }));
  else {
    const of = expected === null ? "; how many there are is not known" : ` of ${expected}`;
    const slowest = slowestMs === null ? "" : `, the slowest after ${slowestMs} ms`;
    console.log(`  ${green("✓")} ${key}: act ${version}, confirmed by ${confirmed}${of}${slowest}`);
    if (missing.length > 0) console.log(`  ${yellow("!")} not yet: ${missing.join(", ")}`);
    if (logged === false)
      console.log(`  ${yellow("!")} the database is away; the act enters the log when that is back`);
  }
  return missing.length > 0 ? 1 : 0;
}

const readOverride = (dir: DataDir): Override => readJson<Override>(overridePath(dir.path)) ?? {};

function override(dir: DataDir, key: string, value: object): number {
  const file = readOverride(dir);
  writeOverride(dir, { ...file, switches: { ...file.switches, [key]: value } });
  console.log(
    `  ${green("✓")} ${key} is in ${overridePath(dir.path)}, and in force on this machine within a second`,
  );
  console.log(`  Every other machine has its own. Back: ./signalbox switch clear ${key}`);
  return 0;
}

function clear(dir: DataDir, key: string): number {
  const file = readOverride(dir);
  const { [key]: had, ...switches } = file.switches ?? {};
  if (had === undefined)
    throw new Fault(`This machine's override file has no ${key}.`, "See: ./signalbox switch list --off");
  writeOverride(dir, { ...file, switches });
  console.log(`  ${green("✓")} ${key} is what the log says again, within a second`);
  return 0;
}

function writeOverride(dir: DataDir, file: Override): void {
  const isEmpty = Object.values(file).every((section) => Object.keys(section as object).length === 0);
  if (isEmpty) rmSync(overridePath(dir.path), { force: true });
  else writeWhole(overridePath(dir.path), `${JSON.stringify(file, null, 2)}\n`);
}

async function revert(dir: DataDir, act: string, values: Values): Promise<number> {
  const path = `/operator/v1/audit/${encodeURIComponent(act)}/revert`;
  const body = { ...whyOf(values, "taken back on the command line"), force: values.force === true };
  return told(await operatorApi(dir).call<Changed>("POST", path, body), `act ${act} is taken back`, values);
}

async function exportFiles(dir: DataDir, folder: string): Promise<number> {
  const { files, revision } = await operatorApi(dir).call<{ files: File[]; revision: number }>(
    "GET",
    "/operator/v1/settings/files",
  );
  const paths = new Set(files.map(({ path }) => path));
  for (const { path } of readFolder(folder)) if (!paths.has(path)) rmSync(join(folder, path));
  for (const { path, text } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  console.log(`  ${green("✓")} ${files.length} files in ${folder}, of revision ${revision}`);
  return 0;
}

async function importFiles(dir: DataDir, folder: string, values: Values): Promise<number> {
  const files = readFolder(folder);
  if (!files.some(({ path }) => path === "order.json"))
    throw new Fault(`${folder} holds no exported settings.`, `First: ./signalbox switch export ${folder}`);
  const dryRun = values["dry-run"] === true;
  const done = await operatorApi(dir).call<
    Changed & { changes: { section: string; key: string; act: string }[] }
  >("POST", "/operator/v1/settings/files", { files, dryRun, ...whyOf(values, `imported from ${folder}`) });
  for (const { section, key, act } of done.changes) console.log(`  ${act.padEnd(8)} ${section} ${key}`);
  if (done.changes.length === 0) console.log(`  ${green("✓")} all is as the files say already`);
  else if (dryRun) console.log(`  ${done.changes.length} would change`);
  else return told(done, `${done.changes.length} changes`, values);
  return 0;
}

/** Only files that could be ours: a README beside them is left alone. */
function readFolder(folder: string): File[] {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  } catch {
    return [];
  }
  return names
    .filter((name) => /^([a-z]+\/)?[\w.-]+\.json$/i.test(name))
    .map((path) => ({ path, text: readFileSync(join(folder, path), "utf8") }));
}

const whyOf = ({ reason, incident }: Values, usual: string) => ({
  reason: String(reason ?? usual),
  ...(incident === undefined ? {} : { incident: String(incident) }),
});

const spans = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function readSpan(text: string): number {
  const [, count, unit] = /^(\d{1,5})([smhd])$/.exec(text) ?? [];
  if (count === undefined || Number(count) === 0)
    throw new Fault(`--for must be a time such as 30m, 2h or 1d, and not ${text}.`, "Example: --for 30m");
  return Number(count) * spans[unit as keyof typeof spans];
}
