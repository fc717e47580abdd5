// What operators do with canaries, and their whole story.

import { actOnCanary, refuseBroken, startCanary, unknownCanary } from "@signalbox/control/canary/acts";
import { judge } from "@signalbox/control/canary/judge";
import { type CanaryAct, restorableMs } from "@signalbox/control/canary/machine";
import { nameOf, saltOf, templates } from "@signalbox/control/canary/rules";
import { createCanaryStore, type Standing } from "@signalbox/control/canary/store";
import type { ControlEvent } from "@signalbox/control/fold";
import { type CanarySetting, canarySetting, canaryTriggers } from "@signalbox/control/settings";
import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import type { z } from "zod";
import { presentEvents } from "../control/audit.ts";
import { pageByKey } from "../control/list.ts";
import { orAway } from "../control/or-away.ts";
import { confirmed, planeOf } from "../control/plane.ts";
import { requireKey } from "../control/switches.ts";
import { whyOf } from "../control/why.ts";
import type { AsOperator } from "../ctx.ts";
import { estimate } from "./estimate.ts";
import type {
  ActOnCanary,
  CanaryItem,
  CanaryQuery,
  CanaryStory,
  ChangedCanary,
  Estimate,
  ExtendCanary,
  PreviewCanary,
  StartCanary,
} from "./schema.ts";

type Known = Map<string, { estimate: unknown; standing: Standing | null }>;

/** Newest first: those that callers go by, and those that the log remembers. */
export async function listCanaries(ctx: AsOperator, query: z.infer<typeof CanaryQuery>) {
  const live = ctx.live.current().canaries;
  const past = await orAway(() => readPast(ctx));
  const all = new Map([...(past ?? []), ...Object.entries(live)]);
  const known = past && (await orAway(() => createCanaryStore(ctx.sql).readStandings([...all.keys()])));
  const items = [...all.values()]
    .filter(({ state }) => query.state === undefined || state === query.state)
    .sort((a, b) => (a.id < b.id ? 1 : -1))
    .map((canary) => present(ctx, canary, known));
  return { ...pageByKey("canaries", items, query, ({ id }) => id), partial: known === undefined };
}

/** The last word of the log on each canary. */
async function readPast(ctx: AsOperator): Promise<Map<string, CanarySetting>> {
  const events = await planeOf(ctx).controlLog.read({ kind: "canary" });
  const past = new Map<string, CanarySetting>();
  for (const event of events) if (!past.has(event.key)) past.set(event.key, settingOf(event));
  return past;
}

function settingOf({ before, after, reason, revision, at, actor }: ControlEvent): CanarySetting {
  const said = { reason, revision, changedAt: at.toISOString(), changedBy: actor };
  // One that is closed is as it was before.
  return canarySetting.parse({ ...((after ?? before) as object), ...said });
}

async function findCanary(ctx: AsOperator, id: string): Promise<CanarySetting> {
  const live = ctx.live.current().canaries[id];
  if (live) return live;
  const [event] = await planeOf(ctx).controlLog.read({ key: id, kind: "canary", limit: 1 });
  if (event === undefined) throw unknownCanary(id);
  return settingOf(event);
}

function present(ctx: AsOperator, canary: CanarySetting, known: Known | undefined): CanaryItem {
  const { id, target, state, step, steps, weight, triggers, purpose, extraSeconds, since } = canary;
  const { startedAt, endedAt, reason, revision, changedAt, changedBy } = canary;
  const bakes = state === "ramping" && since !== null ? steps[step] : undefined;
  const { estimate = null, standing = null } = known?.get(id) ?? {};
  return {
    ...{ id, target, state, step, steps, weight, triggers, purpose },
    name: nameOf(target),
    ...{ startedAt, since, endedAt, reason, revision, changedAt, changedBy },
    bakesUntil: bakes ? after(since!, (bakes.bakeSeconds + extraSeconds) * 1_000) : null,
    restorableUntil: state === "promoted" && endedAt !== null ? after(endedAt, restorableMs) : null,
    inForce: Object.hasOwn(ctx.live.current().canaries, id) && state !== "aborted",
    standing: standing && {
      at: new Date(standing.at).toISOString(),
      verdict: standing.verdict,
      why: standing.why,
      act: standing.act,
      catastrophe: standing.catastrophe,
      missingSince: standing.missingSince === null ? null : new Date(standing.missingSince).toISOString(),
      judge: standing.judge,
      signals: standing.signals,
    },
    estimate: estimate as Estimate | null,
    testers: { header: "X-Signalbox-Canary", cookie: "signalbox_canary", canary: id, stable: `${id}=stable` },
  };
}

const after = (instant: string, ms: number): string => new Date(Date.parse(instant) + ms).toISOString();

const ladderOf = ({ steps, template }: Pick<StartCanary, "steps" | "template">) => [
  ...(steps ?? templates[template!]),
];

export const previewCanary = (ctx: AsOperator, input: z.output<typeof PreviewCanary>): Promise<Estimate> => {
  const { target } = input;
  requireKey(planeOf(ctx), target.kind === "switch" ? target.key : target.service);
  return estimate(ctx, {
    target,
    steps: ladderOf(input),
    triggers: input.triggers ?? canaryTriggers.parse({}),
  });
};

export async function createCanary(
  ctx: AsOperator,
  input: StartCanary,
): Promise<z.output<typeof ChangedCanary>> {
  const plane = planeOf(ctx);
  const { target, reason, redraw = false } = input;
  const told = await previewCanary(ctx, input);
  refuseBroken(told.broken);
  const id = newId();
  const why = whyOf(ctx, input);
  const promoted = Object.values(ctx.live.current().canaries).find(
    (each) => each.state === "promoted" && saltOf(each.target) === saltOf(target),
  );
  if (promoted) await makeWay(ctx, promoted, id, why);
  const done = await startCanary(
    plane,
    {
      id,
      target,
      steps: ladderOf(input),
      triggers: input.triggers ?? canaryTriggers.parse({}),
      purpose: reason,
      salt: redraw
        ? `${saltOf(target)}#${id}`
        : ((await orAway(() => lastSalt(ctx, target))) ?? saltOf(target)),
    },
    why,
  );
  // What was said before it began stays with it.
  await orAway(() => createCanaryStore(ctx.sql).announce(id, told));
  return answer(ctx, id, done);
}

/** The one before was promoted: everybody has it, so the stable side must have it before another begins. */
async function makeWay(
  ctx: AsOperator,
  { id, target }: CanarySetting,
  next: string,
  why: ReturnType<typeof whyOf>,
): Promise<void> {
  if (target.kind !== "switch") {
    const seen = (await ctx.registry.list()) ?? [];
    const behind = seen.find(
      (one) =>
        one.track === "stable" &&
        (target.kind === "worker" ? one.role === "worker" : one.services.includes(target.service)) &&
        one.version !== target.version,
    );
    if (behind)
      throw new AppError(
        "conflict",
        `${nameOf(target)} was promoted and ${behind.name} on the stable track still runs ${behind.version}; another canary would bring it back to most callers. Deploy ${target.version} there first`,
      );
  }
  await actOnCanary(planeOf(ctx), id, { act: "close" }, { ...why, reason: `the canary ${next} follows it` });
}

/** Callers of the last canary of the same thing are met again, also where they were drawn anew for that one. */
async function lastSalt(ctx: AsOperator, target: CanarySetting["target"]): Promise<string | undefined> {
  const same = [...(await readPast(ctx)).values()].filter((each) => saltOf(each.target) === saltOf(target));
  return same.sort((a, b) => (a.id < b.id ? 1 : -1))[0]?.salt;
}

export async function changeCanary(
  ctx: AsOperator,
  input: z.output<typeof ActOnCanary> | z.output<typeof ExtendCanary>,
  act: Exclude<CanaryAct["act"], "advance" | "complete" | "freeze">,
): Promise<z.output<typeof ChangedCanary>> {
  const plane = planeOf(ctx);
  const { id } = input;
  const given: CanaryAct =
    act === "extend" ? { act, seconds: (input as z.output<typeof ExtendCanary>).seconds } : { act };
  const done = Object.hasOwn(ctx.live.current().canaries, id)
    ? await actOnCanary(plane, id, given, whyOf(ctx, input))
    : undefined;
  // It may be over, and out of force, in the state that was asked for.
  if (done === undefined) {
    const { state, revision } = await findCanary(ctx, id);
    if (!Object.hasOwn(ctx.live.current().canaries, id) && !isSo(act, state))
      throw new AppError("conflict", `the canary ${id} is over: it is ${state}`);
    return answer(ctx, id, { revision, committedAt: performance.now(), logged: true });
  }
  return answer(ctx, id, done);
}

const isSo = (act: CanaryAct["act"], state: CanarySetting["state"]): boolean =>
  act === "close" || (act === "abort" && state === "aborted") || (act === "promote" && state === "promoted");

async function answer(
  ctx: AsOperator,
  id: string,
  done: { revision: number; committedAt: number; logged: boolean },
): Promise<z.output<typeof ChangedCanary>> {
  const [changed, canary] = await Promise.all([confirmed(planeOf(ctx), done), findCanary(ctx, id)]);
  const known = await orAway(() => createCanaryStore(ctx.sql).readStandings([id]));
  return { ...present(ctx, canary, known), ...changed };
}

/** Everything that happened, in an order in which a page can tell it. */
export async function readCanary(
  ctx: AsOperator,
  { id }: { id: string },
): Promise<z.output<typeof CanaryStory>> {
  const canary = await findCanary(ctx, id);
  const store = createCanaryStore(ctx.sql);
  const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
  const kept = isId
    ? await orAway(() =>
        Promise.all([store.readStandings([id]), store.decisions(id), presentEvents(ctx, {}, { key: id })]),
      )
    : undefined;
  const [known, decisions = [], events] = kept ?? [];
  const items = events?.items ?? [];
  return {
    ...present(ctx, canary, known),
    partial: kept === undefined,
    ladder: toLadder(canary, items),
    enforcement: await readEnforcement(ctx, canary.revision),
    decisions: decisions.map(({ canaryId: _of, at, evidence, verdict, ...rest }) => ({
      ...rest,
      verdict,
      at: at.toISOString(),
      evidence,
      replays: judge(evidence).verdict === verdict,
    })),
    events: items,
  };
}

/** When each step began and ended, from the acts themselves. */
function toLadder(
  { steps, endedAt }: CanarySetting,
  newestFirst: { at: string; after: unknown }[],
): z.output<typeof CanaryStory>["ladder"] {
  const began = new Map<number, string>();
  for (const { at, after } of newestFirst.toReversed()) {
    const step = (after as { step?: number } | null)?.step;
    if (step !== undefined && !began.has(step)) began.set(step, at);
  }
  return steps.map((step, at) => ({
    ...step,
    beganAt: began.get(at) ?? null,
    endedAt: began.get(at) === undefined ? null : (began.get(at + 1) ?? endedAt),
  }));
}

async function readEnforcement(
  ctx: AsOperator,
  revision: number,
): Promise<z.output<typeof CanaryStory>["enforcement"]> {
  const [seen, ledger] = await Promise.all([ctx.registry.list(), planeOf(ctx).confirmations.ledger()]);
  const processes = (seen ?? ctx.registry.lastKnown())
    .filter((one) => one.revision !== null)
    .map(({ id, name, revision: said }) => {
      const enforced = ledger?.get(id)?.revision ?? said;
      return { instance: id, name, revision: enforced, enforces: (enforced ?? -1) >= revision };
    });
  return { known: seen !== undefined, processes };
}
