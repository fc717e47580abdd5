// Acts that were taken while Postgres was away: in force at once, numbered after the last revision that was known, and brought
// into the log when it answers again: each once, in order. Where the log has moved on meanwhile and both sides changed one key,
// the safer state wins, and the log shows that there was a conflict.

import { z } from "zod";
import { applyEvent, type ControlEvent, type Document, type Section, sections } from "./fold.ts";
import { keepsOff } from "./safety.ts";
import { actor, type SwitchLayer, switchSetting } from "./settings.ts";

export const pendingAct = z.object({
  revision: z.number().int().positive(),
  id: z.string(),
  at: z.coerce.date(),
  actor,
  kind: z.string(),
  key: z.string(),
  before: z.unknown(),
  after: z.unknown(),
  reason: z.string(),
  incident: z.string().nullable().default(null),
  expiresAt: z.coerce.date().nullable(),
  requestId: z.string(),
  previousHash: z.string(),
  hash: z.string(),
  /** The revision of the log that whoever acted knew of. */
  base: z.number().int().min(0),
});

export type PendingAct = ControlEvent & z.infer<typeof pendingAct>;

/** The document with such acts in it. */
export function withPending(document: Document, revision: number, acts: PendingAct[]): Document {
  const own = new Set<number>();
  return acts.reduce((merged, act, at) => {
    const number = revision + at + 1;
    own.add(number);
    return applyEvent(merged, { ...act, ...settle(merged, act, own), revision: number });
  }, document);
}

type Settled = Pick<ControlEvent, "kind" | "before" | "after" | "reason">;

/** What an act amounts to on top of a document; `own` are the revisions of acts that were taken together with it. */
export function settle(document: Document, act: PendingAct, own: ReadonlySet<number>): Settled {
  const { kind, key, before, after, reason } = act;
  const current = keptOf(document, kind, key);
  const touched = current && current.revision > act.base && !own.has(current.revision);
  if (!touched) return { kind, before, after, reason };
  const section = kind.split(".")[0];
  const wins = isSafer(section, after as Kept | null, current);
  return {
    kind: `${section}.conflict`,
    before: { log: current, act: after },
    after: wins ? after : current,
    reason: `${wins ? "this act" : "the log"} is the safer of two that met here: ${reason}`.slice(0, 500),
  };
}

type Kept = Pick<SwitchLayer, "revision"> & { rate?: number; perSeconds?: number; weight?: number };

function keptOf(document: Document, kind: string, key: string): Kept | undefined {
  const [section = ""] = kind.split(".");
  if (!Object.hasOwn(sections, section)) return undefined;
  const kept = document[sections[section as Section].field] as Record<string, Kept> | undefined;
  return kept?.[key];
}

/** Off is safer than on, off for more callers than off for fewer, a lower limit than a higher one, a canary for fewer; else the later act counts. */
function isSafer(section: string | undefined, act: Kept | null, current: Kept): boolean {
  const rate = (kept: Kept | null) => (kept?.rate ?? Number.POSITIVE_INFINITY) / (kept?.perSeconds ?? 1);
  if (section === "switch") return keepsOff(act && switchSetting.parse(act), current as SwitchLayer);
  if (section === "canary") return (act?.weight ?? 0) <= (current.weight ?? 0);
  return section !== "limit" || rate(act) <= rate(current);
}
