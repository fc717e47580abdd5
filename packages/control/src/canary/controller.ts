// Judges every canary once a second, one process at a time. It keeps nothing that another could not take up: which step holds is in
// the log, what was seen is in Postgres. With Postgres away it can still turn back, and with Redis away it sees nothing and holds.

import { newId } from "@signalbox/core/ids";
import type { Logger } from "@signalbox/core/log";
import type { Registry, Seen } from "@signalbox/core/registry";
import { type ArmSlot, noCounts } from "@signalbox/core/signals/arms";
import type { Signals } from "@signalbox/core/signals/signals";
import type { Sql } from "@signalbox/db";
import type { ChangeDeps } from "../changes.ts";
import type { Confirmations } from "../confirmations.ts";
import type { CanarySetting } from "../settings.ts";
import { actOnCanary } from "./acts.ts";
import { type Decision, decide } from "./decide.ts";
import { type Evidence, judge, shorten, type Verdict } from "./judge.ts";
import { restorableMs } from "./machine.ts";
import { frozenBy, nameOf } from "./rules.ts";
import { createCanaryStore } from "./store.ts";
import {
  emptyTally,
  isPossible,
  type KeptSlot,
  keepSlot,
  memorySlots,
  type Side,
  slotMs,
  type Tally,
} from "./tally.ts";

export type JudgeDeps = ChangeDeps & {
  sql: Sql;
  confirmations: Confirmations;
  signals: Pick<Signals, "readArms">;
  registry: Pick<Registry, "list" | "lastKnown">;
  log: Logger;
  instance: { id: string };
  /** What forbids a step at this moment besides freeze windows, such as a paging alert; a throw forbids it as well. */
  interlocks: (canary: CanarySetting) => Promise<string[]>;
  now?: () => number;
  everyMs?: number;
  leaseSeconds?: number;
};

/** By when every instance has written a slot that is over. */
const settleMs = 2_000;
/** As long as slots stay in Redis, with some to spare. */
const reachMs = 13 * 60_000;
const leaseName = "canaries";

type Memory = { carried: Tally; slots: KeptSlot[]; before: KeptSlot[]; unsaved: KeptSlot[] };

export function createCanaryJudge(deps: JudgeDeps) {
  const { sql, live, confirmations, signals, registry, log, instance, interlocks } = deps;
  const { now = Date.now, everyMs = 1_000, leaseSeconds = 5 } = deps;
  const store = createCanaryStore(sql);
  const memories = new Map<string, Memory>();
  const asides = new Set<Promise<void>>();
  const actor = { kind: "judge", id: instance.id, name: "judge" };
  let timer: NodeJS.Timeout | undefined;
  let round = Promise.resolve();
  let closed = false;
  let holds = false;

  /** Undefined: Postgres does not say. */
  const takeLease = () => store.lease(leaseName, instance.id, leaseSeconds).catch(() => undefined);

  async function tick(): Promise<void> {
    const canaries = Object.values(live.current().canaries);
    for (const id of memories.keys()) if (!canaries.some((canary) => canary.id === id)) memories.delete(id);
    if (canaries.length === 0) return;
    const lease = await takeLease();
    holds = lease === true;
    if (lease === false) {
      // What another judges, this one no longer knows.
      memories.clear();
      return;
    }
    for (const canary of canaries) {
      try {
        await judgeOne(canary, lease === undefined);
      } catch (error) {
        log.warn({ error, canary: canary.id }, "a canary could not be judged; it stays where it is");
      }
    }
  }

  async function judgeOne(canary: CanarySetting, isDatabaseAway: boolean): Promise<void> {
    const nowMs = now();
    if (canary.state === "aborted" || canary.state === "promoted") {
      if (!isDatabaseAway) await closeWhenOver(canary, nowMs);
      return;
    }
    const memory = await recall(canary, isDatabaseAway);
    const { running, blind } = await look(canary, memory, nowMs);
    const evidence = toEvidence(canary, memory, { nowMs, running, blind });
    const verdict = judge(evidence);
    let decision = decide(canary, verdict, { nowMs, held: [] });
    if (isForward(decision))
      decision = decide(canary, verdict, { nowMs, held: await forbidden(canary, nowMs) });
    if (isDatabaseAway && isForward(decision))
      decision = { act: "hold", why: "the database is away, and with it the log that a step is written in" };
    if (decision.act !== "hold") await perform(canary, { evidence, verdict, decision });
    if (isDatabaseAway) return;
    await save(canary.id, memory);
    await store.stand(canary.id, { ...verdict, ...decision, at: nowMs, judge: instance.id });
  }

  /** All that was seen of it, from where the last judge left it. */
  async function recall(canary: CanarySetting, isDatabaseAway: boolean): Promise<Memory> {
    const since = Date.parse(canary.since!);
    let memory = memories.get(canary.id);
    if (memory === undefined) {
      const kept = isDatabaseAway ? [] : await store.slots(canary.id);
      memory = { carried: emptyTally(since), slots: kept, before: kept.slice(-memorySlots), unsaved: [] };
      memories.set(canary.id, memory);
    }
    const { carried, slots } = shorten({ canary: timesOf(canary), ...memory });
    memory.carried = carried;
    memory.slots = slots;
    return memory;
  }

  /** Takes in every slot that is over, and says what the running one shows. */
  async function look(canary: CanarySetting, memory: Memory, nowMs: number) {
    const last = memory.slots.at(-1)?.start ?? memory.carried.last;
    const startedMs = Date.parse(canary.startedAt!);
    const from = Math.max(last === null ? startedMs - (startedMs % slotMs) : last + slotMs, nowMs - reachMs);
    const found = await signals.readArms(from, nowMs);
    const seen = registry.lastKnown();
    if (found === undefined) return { running: null, blind: "Redis is away, and with it every count" };
    for (const slot of found) {
      if (slot.start + slotMs + settleMs > nowMs || slot.start < from) continue;
      if (!isHeard(canary, slot)) continue;
      const kept = toKept(canary, slot, memory, seen);
      if (!isPossible(kept)) {
        log.error({ canary: canary.id, kept }, "a slot that can not be right is left out of the evidence");
        continue;
      }
      memory.slots.push(kept);
      memory.unsaved.push(kept);
      memory.before = [...memory.before, kept].slice(-memorySlots);
    }
    const open = found.filter(({ start }) => start + slotMs + settleMs > nowMs);
    const count = (side: Side) => {
      const sides = open.flatMap(({ canaries }) => canaries.get(canary.id)?.[side] ?? []);
      return {
        n: sides.reduce((sum, { requests, refused }) => sum + requests - refused, 0),
        errors: sides.reduce((sum, { errors }) => sum + errors, 0),
      };
    };
    return {
      running: { stable: count("stable"), canary: count("canary") },
      blind: findNobody(canary, await registry.list()),
    };
  }

  /** Steps take what the log says; so do those who come after a judge that was killed. */
  async function perform(
    canary: CanarySetting,
    { evidence, verdict, decision }: { evidence: Evidence; verdict: Verdict; decision: Decision },
  ): Promise<void> {
    const id = newId();
    const row = {
      id,
      canaryId: canary.id,
      at: new Date(evidence.at),
      act: decision.act,
      step: canary.step,
      verdict: verdict.verdict,
      why: decision.why,
      evidence,
      revision: null,
    };
    const forward = isForward(decision);
    // No step without its evidence; turning back waits for nothing.
    if (forward) await store.decide(row);
    const done = await actOnCanary(
      deps,
      canary.id,
      { act: decision.act as Exclude<Decision["act"], "hold"> },
      { actor, reason: decision.why.slice(0, 500), requestId: `judge-${id}` },
      { eventId: id, expected: canary.revision, forward },
    );
    if (done === undefined) return;
    log.warn(
      {
        canary: canary.id,
        target: nameOf(canary.target),
        act: decision.act,
        why: decision.why,
        revision: done.revision,
      },
      "the judge of canaries has decided",
    );
    aside(async () => {
      if (done.logged) await store.decide({ ...row, revision: done.revision });
      const said = await confirmations.waitFor(done.revision, done.committedAt, 5_000);
      if (said.missing.length > 0)
        log.error(
          { canary: canary.id, missing: said.missing },
          "instances do not enforce what the judge decided",
        );
      if (done.logged) await store.confirm(id, said);
    });
  }

  function aside(work: () => Promise<void>): void {
    const running = work()
      .catch((error) => log.warn({ error }, "a decision's evidence could not be kept"))
      .finally(() => asides.delete(running));
    asides.add(running);
  }

  async function save(id: string, memory: Memory): Promise<void> {
    const { unsaved } = memory;
    if (unsaved.length === 0) return;
    await store.keep(id, unsaved);
    memory.unsaved = [];
  }

  /** Everything that stands against letting more callers in. */
  async function forbidden(canary: CanarySetting, nowMs: number): Promise<string[]> {
    const [interlocked, unconfirmed] = await Promise.all([
      interlocks(canary).catch((error) => [
        `whether an alert burns is not known: ${error instanceof Error ? error.message : error}`,
      ]),
      findUnconfirmed(canary),
    ]);
    return [...frozenBy(live.current().freezes, nowMs), ...interlocked, ...unconfirmed];
  }

  /** The weight that was judged must have been everyone's. */
  async function findUnconfirmed({ revision, weight }: CanarySetting): Promise<string[]> {
    const [seen, ledger] = await Promise.all([registry.list(), confirmations.ledger()]);
    if (seen === undefined || ledger === undefined)
      return ["which instances are alive, and what they enforce, is not known"];
    const behind = seen.filter(
      (one) => one.revision !== null && (ledger.get(one.id)?.revision ?? one.revision) < revision,
    );
    return behind.length === 0
      ? []
      : [`not yet at ${weight} %: ${behind.map(({ name }) => name).join(", ")}`];
  }

  async function closeWhenOver(canary: CanarySetting, nowMs: number): Promise<void> {
    const endedMs = Date.parse(canary.endedAt ?? "");
    if (canary.state !== "aborted" || !(nowMs - endedMs > restorableMs)) return;
    const why = { actor, reason: "it ended a day ago", requestId: "judge-close" };
    await actOnCanary(deps, canary.id, { act: "close" }, why, { expected: canary.revision, forward: true });
  }

  const plan = () => {
    timer = setTimeout(() => {
      round = tick().catch((error) => log.debug({ error }, "canaries could not be judged this time"));
      void round.then(() => {
        if (!closed) plan();
      });
    }, everyMs);
    timer.unref();
  };

  return {
    tick,
    start: plan,
    async close() {
      closed = true;
      clearTimeout(timer);
      await round;
      await Promise.all(asides);
      if (holds) await store.release(leaseName, instance.id).catch(() => {});
    },
  };
}

const isForward = ({ act }: Decision): boolean =>
  act === "advance" || act === "complete" || act === "promote";

const timesOf = ({ startedAt, since, weight, triggers }: CanarySetting): Evidence["canary"] => ({
  startedAt: Date.parse(startedAt!),
  since: Date.parse(since!),
  weight,
  triggers,
});

function toEvidence(
  canary: CanarySetting,
  { carried, slots }: Memory,
  { nowMs, running, blind }: { nowMs: number; running: Evidence["running"]; blind: string | null },
): Evidence {
  // The sketches have done their part: the counts of slow requests.
  const plain = slots.map((slot) => ({ ...slot, sketch: [] }));
  return { at: nowMs, canary: timesOf(canary), carried, slots: plain, running, blind };
}

/** Where sides are chosen, somebody said a word about this slot. Otherwise it is no slot without requests: it is unknown. */
const isHeard = ({ target }: CanarySetting, { instances }: ArmSlot): boolean =>
  instances.some(({ role }) =>
    target.kind === "worker" ? role === "worker" : role === "gateway" || role === "all",
  );

function toKept(canary: CanarySetting, slot: ArmSlot, { before }: Memory, seen: readonly Seen[]): KeptSlot {
  const sides = slot.canaries.get(canary.id) ?? { stable: noCounts(), canary: noCounts() };
  const counters = Object.fromEntries(
    canary.triggers.guards.flatMap((guard) =>
      guard.kind === "counter"
        ? [[guard.name, slot.counters.get(guard.name) ?? { stable: 0, canary: 0 }]]
        : [],
    ),
  );
  return keepSlot(slot.start, sides, before, canary.triggers, {
    counters,
    saturation: saturationOf(canary, slot, seen),
  });
}

/** Means over the instances that the canary is compared on; a code path's two arms share theirs. */
function saturationOf({ target, triggers }: CanarySetting, slot: ArmSlot, seen: readonly Seen[]) {
  if (target.kind === "switch") return {};
  const ids = new Set(seen.filter((one) => worksFor(one, target)).map(({ id }) => id));
  const mean = (side: Side, signal: "cpu" | "eventLoopDelayMs" | "memoryBytes"): number | null => {
    const values = slot.instances.flatMap(({ track, saturation }) =>
      saturation && track === side && ids.has(saturation.instance) ? [saturation[signal]] : [],
    );
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return Object.fromEntries(
    triggers.guards.flatMap((guard) =>
      guard.kind === "saturation"
        ? [[guard.signal, { stable: mean("stable", guard.signal), canary: mean("canary", guard.signal) }]]
        : [],
    ),
  );
}

type Release = Exclude<CanarySetting["target"], { kind: "switch" }>;

export const worksFor = ({ role, services }: Seen, target: Release): boolean =>
  target.kind === "worker" ? role === "worker" : services.includes(target.service);

/** Why no instance could have taken the canary's share, or undefined where one could. */
export function findNobody(
  { target }: Pick<CanarySetting, "target">,
  seen: readonly Seen[] | undefined,
): string | null {
  if (target.kind === "switch") return null;
  if (seen === undefined) return "which instances are alive is not known";
  const onTrack = seen.filter((one) => one.track === "canary" && worksFor(one, target));
  const other = onTrack.find(({ version }) => version !== target.version);
  if (other) return `${other.name} on the canary track runs ${other.version} and not ${target.version}`;
  return onTrack.length > 0
    ? null
    : `no instance of ${target.service} runs ${target.version} on the canary track`;
}
