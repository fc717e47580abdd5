// logs: the log lines of one service or of all, made readable; -f follows.
import { createReadStream, existsSync, readdirSync, statSync } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { type Command, dataDirOption, wholeNumber } from "../command.ts";
import { chosenDataDir, type DataDir } from "../data-dir.ts";
import { Fault } from "../fault.ts";
import { nearest } from "../nearest.ts";
import { dim, red, yellow } from "../screen.ts";
import { readTail } from "../supervisor/last-words.ts";

export const command: Command = {
  name: "logs",
  usage: "logs [SERVICE] [-f] [--lines N] [--data-dir DIR]",
  text: "Shows the last log lines of all services, or of one: supervisor, postgres, redis, database, relay, workers, api, console.",
  words: 1,
  options: {
    follow: { type: "boolean", short: "f", text: "keep showing new lines" },
    lines: { type: "string", short: "n", value: "N", text: "how many lines of each service (default: 50)" },
    ...dataDirOption,
  },
  async run(values, [service]) {
    const dir = chosenDataDir(values);
    const known = services(dir);
    if (!known.length)
      throw new Fault(
        `There are no logs in ${dir.path}.`,
        "Start it first: ./signalbox up, or name its --data-dir.",
      );
    if (service && !known.includes(service)) {
      const near = nearest(service, known);
      throw new Fault(
        `There is no log of "${service}".`,
        near ? `Did you mean "${near}"?` : `There are: ${known.join(", ")}.`,
      );
    }
    const chosen = service ? [service] : known;
    const count = wholeNumber(values, "lines", 50, 1_000_000);
    const recent = chosen.flatMap((name) => lastLines(dir, name, count));
    // Lines that carry no time (Postgres's own, a stack) stay behind the one before them.
    recent.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
    for (const line of recent) console.log(line.text);
    if (values.follow) await follow(dir, chosen);
    return 0;
  },
};

const services = (dir: DataDir) =>
  existsSync(dir.logs)
    ? readdirSync(dir.logs)
        .filter((name) => name.endsWith(".log"))
        .map((name) => basename(name, ".log"))
    : [];

function lastLines(dir: DataDir, service: string, count: number) {
  const text = readTail(dir.log(service), Math.min(count * 2000, 64e6));
  let time = "";
  return text
    .split("\n")
    .filter(Boolean)
    .slice(-count)
    .map((line) => {
      const shown = show(service, line);
      time = shown.time || time;
      return { time, text: shown.text };
    });
}

async function follow(dir: DataDir, chosen: string[]): Promise<void> {
  const offsets = new Map(chosen.map((name) => [name, size(dir.log(name))]));
  for (;;) {
    for (const [name, offset] of offsets) {
      const end = size(dir.log(name));
      // Shorter than before: it was rotated.
      const start = end < offset ? 0 : offset;
      if (end === start) continue;
      const stream = createReadStream(dir.log(name), { start, end: end - 1 });
      for await (const line of createInterface({ input: stream }))
        if (line) console.log(show(name, line).text);
      offsets.set(name, end);
    }
    await pause(250);
  }
}

const size = (path: string) => (existsSync(path) ? statSync(path).size : 0);

type Line = {
  time?: string | number;
  level?: string | number;
  msg?: string;
  requestId?: string;
  [key: string]: unknown;
};

const plain = new Set([
  "time",
  "level",
  "msg",
  "requestId",
  "service",
  "name",
  "pid",
  "hostname",
  "version",
  "track",
  "v",
]);
const levels: Record<number, string> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

export function show(service: string, text: string): { time: string; text: string } {
  const label = service.padEnd(10);
  let line: Line;
  try {
    line = JSON.parse(text) as Line;
    if (typeof line !== "object" || line === null) throw new Error();
  } catch {
    return { time: engineTime(text), text: `${dim(label)} ${text}` };
  }
  const time = line.time === undefined ? "" : new Date(line.time).toISOString();
  const level = String(
    typeof line.level === "number" ? (levels[line.level] ?? line.level) : (line.level ?? ""),
  );
  const paint = /error|fatal/.test(level) ? red : level === "warn" ? yellow : dim;
  const more = Object.entries(line)
    .filter(([name, value]) => !plain.has(name) && value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const words = [
    dim(time.slice(11, 23)),
    dim(label),
    paint(level.padEnd(5)),
    line.msg ?? "",
    ...more.map(dim),
  ];
  if (line.requestId) words.push(dim(`requestId=${line.requestId}`));
  return { time, text: words.join(" ") };
}

// Postgres and Redis write their own lines, both in UTC.
function engineTime(text: string): string {
  const postgres = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) UTC /.exec(text);
  if (postgres) return `${postgres[1]}T${postgres[2]}Z`;
  const redis = /^\d+:[A-Z] (\d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3}) /.exec(text);
  const at = redis ? new Date(`${redis[1]}Z`) : undefined;
  return at && !Number.isNaN(at.getTime()) ? at.toISOString() : "";
}
