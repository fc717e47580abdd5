// Switching things off and on, and proving that it took.

import { protect } from "@signalbox/control/approvals";
import { compile, type Rules } from "@signalbox/control/evaluate";
import { settingsAt } from "@signalbox/control/fold";
import { unknownKey } from "@signalbox/control/log";
import { isProtected } from "@signalbox/control/protection";
import { revertAct } from "@signalbox/control/revert";
import { dependencyPrefix, holding, pathOf, type SwitchLayer, tagPrefix } from "@signalbox/control/settings";
import { archiveSwitch, createSwitch, redrawSwitch, setSwitch } from "@signalbox/control/switch-acts";
import type { z } from "zod";
import type { Kind } from "../catalogue.ts";
import type { AsOperator } from "../ctx.ts";
import { catalogue } from "../index.ts";
import { presentEvents } from "./audit.ts";
import { pageByKey } from "./list.ts";
import { type ControlPlane, confirmed, planeOf } from "./plane.ts";
import { checkPosition, narrowedBy } from "./position.ts";
import type {
  Changed,
  CreateSwitch,
  History,
  OneSwitch,
  RevertAct,
  SetSwitch,
  SwitchItem,
  SwitchQuery,
} from "./schema.ts";
import { whyOf } from "./why.ts";

const dayMs = 86_400_000;
const staleMs = 30 * dayMs;
const undrilledMs = 90 * dayMs;

export async function listSwitches(ctx: AsOperator, { at, ...page }: z.infer<typeof SwitchQuery>) {
  const nowMs = at === undefined ? ctx.now().getTime() : Date.parse(at);
  const rules = at === undefined ? ctx.live.rules() : await rulesAt(ctx, nowMs);
  const { switches, own, archived } = rules.settings;
  const { kinds } = catalogue();
  const ownTags = Object.values(own).flatMap(({ tags }) => tags.map((tag) => tagPrefix + tag));
  // A key whose procedure is gone stays visible as long as something is set on it.
  const keys = new Set([...kinds.keys(), ...Object.keys(own), ...ownTags, ...Object.keys(switches)]);
  const overridden = at === undefined ? await overriddenNow(ctx) : new Set();
  return pageByKey(
    "switches",
    [...keys]
      .filter((key) => !Object.hasOwn(archived, key))
      .sort((a, b) => (a === "*" ? -1 : b === "*" ? 1 : a < b ? -1 : 1))
      .map((key) => ({ ...present(rules, key, kinds.get(key), nowMs), isOverridden: overridden.has(key) })),
    page,
    ({ key }) => key,
  );
}

async function rulesAt(ctx: AsOperator, atMs: number): Promise<Rules> {
  const { document } = await planeOf(ctx).controlLog.foldAt(new Date(atMs));
  return compile(settingsAt(document, atMs), catalogue().tagsOf);
}

/** What a local file decides, here or on an instance that says so; the log does not know of it. */
async function overriddenNow(ctx: AsOperator): Promise<ReadonlySet<unknown>> {
  const words = (await planeOf(ctx).confirmations.ledger())?.values() ?? [];
  return new Set([...ctx.live.status().overridden, ...[...words].flatMap(({ overridden }) => overridden)]);
}

function kindOf(key: string, known: Kind | undefined, isOwn: boolean): Kind {
  if (known) return known;
  if (isOwn) return "own";
  return key === "*" ? "all" : key.startsWith(tagPrefix) ? "tag" : "prefix";
}

function present(
  rules: Rules,
  key: string,
  known: Kind | undefined,
  nowMs: number,
): Omit<SwitchItem, "isOverridden"> {
  const { settings } = rules;
  const own = settings.own[key];
  const setting = settings.switches[key];
  const layer = setting && holding<SwitchLayer>(setting, nowMs);
  const decided = rules.decides(key, nowMs);
  const { lastOff } = settings;
  const lastOffAt = decided
    ? new Date(nowMs).toISOString()
    : pathOf(key).reduce<string | null>(
        (latest, at) => (lastOff[at] && (latest === null || lastOff[at] > latest) ? lastOff[at] : latest),
        null,
      );
  return {
    key,
    kind: kindOf(key, known, own !== undefined),
    tags: [...new Set([...catalogue().tagsOf(key), ...(own?.tags ?? [])])],
    title: own?.title ?? "",
    state: layer?.state ?? "on",
    share: layer?.share ?? 100,
    targets: layer?.targets ?? [],
    instead: layer?.instead ?? "refuse",
    message: layer?.message ?? "",
    reason: layer?.reason ?? "",
    incident: layer?.incident ?? null,
    expiresAt: layer?.expiresAt ?? null,
    revision: layer?.revision ?? 0,
    changedAt: layer?.changedAt ?? null,
    changedBy: layer?.changedBy ?? null,
    act: layer?.act ?? "",
    effective: decided
      ? { state: "off", share: decided.layer.share, by: decided.key }
      : { state: "on", share: 100, by: null },
    narrowedBy: narrowedBy(key),
    isProtected: isProtected(settings, key),
    lastOffAt,
    flags: flagsOf(layer, lastOffAt, nowMs),
  };
}

function flagsOf(
  layer: SwitchLayer | undefined,
  lastOffAt: string | null,
  nowMs: number,
): SwitchItem["flags"] {
  const flags: SwitchItem["flags"] = [];
  const age = layer?.changedAt ? nowMs - Date.parse(layer.changedAt) : 0;
  if (layer?.state === "off" && layer.expiresAt === null && age > staleMs) flags.push("stale");
  if (lastOffAt === null || nowMs - Date.parse(lastOffAt) > undrilledMs) flags.push("undrilled");
  if (layer?.act === "conflict") flags.push("conflict");
  return flags;
}

export async function flipSwitch(ctx: AsOperator, input: SetSwitch): Promise<Changed> {
  const plane = planeOf(ctx);
  const { key, breakGlass, state, share, message, targets, instead } = input;
  requireKey(plane, key);
  checkPosition(key, input);
  const to = { state, share, message, targets, instead };
  return confirmed(plane, await setSwitch(plane, key, to, whyOf(ctx, input), { breakGlass }));
}

export async function createOwn(ctx: AsOperator, input: z.infer<typeof CreateSwitch>): Promise<Changed> {
  const plane = planeOf(ctx);
  const { key, title, tags, state } = input;
  const why = whyOf(ctx, input);
  const [first = ""] = key.split(".");
  const made = await createSwitch(
    plane,
    key,
    { title, tags, taken: () => catalogue().kinds.has(first) || `${first}.` === dependencyPrefix },
    why,
  );
  // What is being built begins where nobody meets it.
  return confirmed(plane, state === "off" ? await setSwitch(plane, key, { state }, why) : made);
}

export async function archiveOne(ctx: AsOperator, input: z.infer<typeof OneSwitch>): Promise<Changed> {
  const plane = planeOf(ctx);
  const { key } = input;
  requireKey(plane, key);
  const inUse = (key: string) => catalogue().kinds.has(key);
  return confirmed(plane, await archiveSwitch(plane, key, { inUse }, whyOf(ctx, input)));
}

export async function redrawOne(ctx: AsOperator, input: z.infer<typeof OneSwitch>): Promise<Changed> {
  const plane = planeOf(ctx);
  requireKey(plane, input.key);
  return confirmed(plane, await redrawSwitch(plane, input.key, whyOf(ctx, input)));
}

export async function protectKey(ctx: AsOperator, input: z.infer<typeof OneSwitch>): Promise<Changed> {
  const plane = planeOf(ctx);
  requireKey(plane, input.key);
  return confirmed(plane, await protect(plane, input.key, whyOf(ctx, input)));
}

export async function revertOne(ctx: AsOperator, input: z.infer<typeof RevertAct>): Promise<Changed> {
  const plane = planeOf(ctx);
  const { revision, force } = input;
  return confirmed(plane, await revertAct(plane, revision, whyOf(ctx, input), { force }));
}

export async function readHistory(ctx: AsOperator, input: z.infer<typeof History>) {
  const plane = planeOf(ctx);
  requireKey(plane, input.key);
  return presentEvents(ctx, input, { key: input.key });
}

export function requireKey({ live }: ControlPlane, key: string): void {
  const { switches, limits, own } = live.current();
  const isKnown =
    catalogue().kinds.has(key) || [switches, limits, own].some((record) => Object.hasOwn(record, key));
  const isTag = Object.values(own).some(({ tags }) => tags.some((tag) => tagPrefix + tag === key));
  if (!isKnown && !isTag) throw unknownKey(key);
}
