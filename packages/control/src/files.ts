// The settings as files for git: one a key, the same bytes for the same settings, and back again as acts in the log.

import { AppError } from "@signalbox/core/errors";
import type { z } from "zod";
import { bare } from "./bare.ts";
import { type ChangeDeps, change, type Why } from "./changes.ts";
import { type Document, type Section, sections } from "./fold.ts";
import { needsSecondPerson } from "./protection.ts";
import { holding, type SwitchSetting, settingsSchema, switchSetting } from "./settings.ts";
import { isArchived } from "./switch-acts.ts";
import { nextDue } from "./wall-clock.ts";

export type SettingsFile = { path: string; text: string };
export type FileChange = { section: string; key: string; act: "set" | "removed" };

/** In this order they are brought in: what must be there before what needs it. */
const filed = [
  ...([
    "own",
    "archive",
    "limit",
    "weight",
    "number",
    "cache_ttl",
    "shed",
    "zone",
    "dependency",
    "freeze",
  ] as const),
  ...(["switch", "protection", "schedule"] as const),
] satisfies Section[];
type Filed = (typeof filed)[number];

/** Which switch was turned before which: a broad one that was turned later overrules. */
const orderPath = "order.json";
const everything = "_all";

/** Belongs to the log or to the moment, and not to the setting. */
const left = new Set(["revision", "order", "changedAt", "changedBy", "act", "nextAt", "base"]);

type Layer = { expiresAt: string | null };
type Entry = Layer & { afterwards: Layer[] } & Record<string, unknown>;

export function toFiles(document: Document, nowMs: number): SettingsFile[] {
  const files = filed.flatMap((section) =>
    Object.entries(entriesOf(document, section)).flatMap(([key, entry]) => {
      const text = textOf(entry, nowMs);
      return text === undefined ? [] : [{ path: pathOf(section, key), text }];
    }),
  );
  const kept = new Set(files.map(({ path }) => path));
  const order = turnedInOrder(document).filter((key) => kept.has(pathOf("switch", key)));
  files.push({ path: orderPath, text: toText(order) });
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

const entriesOf = (document: Document, section: Filed) =>
  (document[sections[section].field] ?? bare({})) as Record<string, Entry>;

const turnedInOrder = ({ switches }: Document): string[] =>
  Object.entries(switches)
    .sort(([a, one], [b, other]) => one.order - other.order || (a < b ? -1 : 1))
    .map(([key]) => key);

const pathOf = (section: Filed, key: string) =>
  `${sections[section].field}/${key === "*" ? everything : key}.json`;

function textOf(entry: Entry, nowMs: number): string | undefined {
  const top = holding<Layer>(entry, nowMs);
  if (top === undefined) return undefined;
  const following =
    top === entry ? entry.afterwards : entry.afterwards.slice(entry.afterwards.indexOf(top) + 1);
  const afterwards = following.map(cleaned);
  // What is as if never touched overrules no broader key, also where it is brought in.
  const order = entry.order === 0 ? { order: 0 } : {};
  return toText({ ...cleaned(top), ...order, ...(afterwards.length > 0 ? { afterwards } : {}) });
}

const cleaned = (layer: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(layer).filter(
      ([name, value]) => !left.has(name) && name !== "afterwards" && value !== null,
    ),
  );

const toText = (value: unknown) => `${JSON.stringify(inOrder(value), null, 2)}\n`;

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, inner]) => [name, inOrder(inner)]));
}

type Wanted = Map<Filed, Map<string, Record<string, unknown>>>;

function fault(path: string, message: string): AppError {
  return new AppError("invalid", `${path}: ${message}`, { errors: [{ field: path.slice(0, 200), message }] });
}

function readFiles(files: SettingsFile[]): { wanted: Wanted; order: string[] } {
  const wanted: Wanted = new Map(filed.map((section) => [section, new Map()]));
  let order: string[] = [];
  for (const { path, text } of files) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw fault(path, "is not JSON");
    }
    if (path === orderPath) {
      if (!Array.isArray(value) || !value.every((key) => typeof key === "string"))
        throw fault(path, "must be a list of keys");
      order = value;
      continue;
    }
    const [, field, name] = /^([a-z]+)\/([\w.-]+)\.json$/i.exec(path) ?? [];
    const section = filed.find((each) => sections[each].field === field);
    if (section === undefined || name === undefined) throw fault(path, "is no file of settings");
    if (value === null || typeof value !== "object" || Array.isArray(value))
      throw fault(path, "must be an object");
    wanted.get(section)!.set(name === everything ? "*" : name, value as Record<string, unknown>);
  }
  return { wanted, order };
}

/** What bringing these files in would do, in the order of doing it. */
function planOf(document: Document, { wanted, order }: ReturnType<typeof readFiles>, nowMs: number) {
  const plan: (FileChange & { section: Filed; value: Record<string, unknown> | null })[] = [];
  for (const section of filed) {
    const now = entriesOf(document, section);
    const then = wanted.get(section)!;
    for (const key of Object.keys(now))
      if (!then.has(key)) plan.push({ section, key, act: "removed", value: null });
    const keys = section === "switch" ? inTurn([...then.keys()], order) : [...then.keys()];
    // Once one of them is turned anew, all that were turned after it have to be as well, or they would be older.
    let isLate = false;
    let newest = -1;
    for (const key of keys) {
      const value = then.get(key)!;
      const entry = now[key];
      const same = entry !== undefined && textOf(entry, nowMs) === toText(value);
      if (section === "switch" && value.order !== 0) {
        const age = entry?.order as number | undefined;
        isLate ||= !same || age === undefined || age < newest;
        newest = age ?? newest;
      }
      if (!same || (isLate && value.order !== 0)) plan.push({ section, key, act: "set", value });
    }
  }
  return plan;
}

function inTurn(keys: string[], order: string[]): string[] {
  const place = new Map(order.map((key, at) => [key, at]));
  const at = (key: string) => place.get(key) ?? Number.POSITIVE_INFINITY;
  return keys.sort((a, b) => (at(a) === at(b) ? (a < b ? -1 : 1) : at(a) - at(b)));
}

type Import = {
  files: SettingsFile[];
  dryRun: boolean;
  expect?: number;
  /** Throws where a switch says what makes no sense for its key. */
  check?: (key: string, position: SwitchSetting) => void;
};

/** One act a key, under the checks that a person's own act meets. What is the same already is left alone. */
export async function bringIn(deps: ChangeDeps, { files, dryRun, expect, check }: Import, why: Why) {
  const { controlLog, live } = deps;
  const { head, document } = await controlLog.fold();
  if (expect !== undefined && expect !== head.revision)
    throw new AppError(
      "conflict",
      `the settings are at revision ${head.revision} and not ${expect}; look at the difference again`,
    );
  const nowMs = Date.now();
  const plan = planOf(document, readFiles(files), nowMs);
  const values = plan.map((each) => ({ ...each, after: savedValue(each, nowMs) }));
  for (const { section, key, after } of values)
    if (section === "switch" && after) check?.(key, switchSetting.parse(after));
  refuseOpening(document, values, nowMs);
  const changes = plan.map(({ section, key, act }): FileChange => ({ section, key, act }));
  let last: Awaited<ReturnType<typeof change>>;
  if (!dryRun)
    for (const { section, key, act, value, after } of values) {
      const { expiresAt, reason, incident } = (value ?? {}) as Partial<Record<string, string>>;
      last = await change(deps, {
        ...why,
        reason: reason ?? why.reason,
        incident: incident ?? why.incident,
        expiresAt: expiresAt ? new Date(expiresAt) : null,
        kind: `${section}.${act === "set" ? "imported" : "removed"}`,
        key,
        decide: (now) => ({ before: entriesOf(now, section)[key] ?? null, after }),
      });
    }
  return {
    changes,
    revision: last?.revision ?? live.revision,
    committedAt: last?.committedAt ?? performance.now(),
    logged: true,
  };
}

type Planned = ReturnType<typeof planOf>[number];

function savedValue({ section, key, value }: Planned, nowMs: number): Record<string, unknown> | null {
  if (value === null) return null;
  const path = pathOf(section, key);
  const { expiresAt: _, reason: _r, incident: _i, ...rest } = value;
  const nextAt = section === "schedule" ? nextDue(value as never, nowMs) : undefined;
  if (section === "schedule" && nextAt === undefined) throw fault(path, "is never due again; remove it");
  const due = nextAt === undefined ? {} : { nextAt: new Date(nextAt).toISOString(), base: 0 };
  // As every process will read it, the key too: what one of them can not read would keep all of them from what comes after it.
  const { field } = sections[section];
  const parsed = settingsSchema.safeParse({ [field]: { [key]: { ...value, ...due } } });
  if (!parsed.success) throw fault(path, whyNot(parsed.error));
  if (parsed.data[field][key] === undefined) throw fault(path, "is no name of a setting");
  return { ...rest, ...due };
}

/** What is wrong with a key stands within the issue of the record. */
function whyNot({ issues: [first] }: z.ZodError): string {
  const [inner] = first?.code === "invalid_key" ? first.issues : [];
  return inner?.message ?? first?.message ?? "is not a setting";
}

function refuseOpening(
  document: Document,
  values: (Planned & { after: Record<string, unknown> | null })[],
  nowMs: number,
) {
  const opened = values.filter(({ section, key, act, after }) => {
    if (act === "set" && (section === "own" || section === "switch") && isArchived(document, key))
      return true;
    if (section === "protection" || section === "archive") return after === null;
    if (section !== "switch") return false;
    const next = after && (switchSetting.parse(after) as SwitchSetting);
    return needsSecondPerson(document, key, next, nowMs);
  });
  if (opened.length > 0)
    throw new AppError(
      "forbidden",
      `these files would open what is protected or archived: ${opened.map(({ key }) => key).join(", ")}; do that by itself, with a second operator`,
    );
}
