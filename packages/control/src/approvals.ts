// Four eyes: under a protected key a second person says yes before more callers get through. Stopping them never waits.

import { createHash } from "node:crypto";
import { AppError } from "@signalbox/core/errors";
import { canonicalJson } from "./chain.ts";
import { type ChangeDeps, change, type Why } from "./changes.ts";
import type { Document } from "./fold.ts";
import type { ControlActor, SwitchChange } from "./settings.ts";
import { setSwitch } from "./switch-acts.ts";

export async function protect(deps: ChangeDeps, key: string, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "protection.set",
    key,
    decide: (document) => ({ before: document.protections?.[key] ?? null, after: {} }),
  });
  return done!;
}

const proposalMs = 7 * 24 * 3_600_000;

/** `change` null: to take the protection away. */
export async function propose(
  deps: ChangeDeps,
  id: string,
  { key, change: to, expires }: { key: string; change: SwitchChange | null; expires: string | null },
  why: Why,
) {
  const done = await change(deps, {
    ...why,
    kind: "proposal.made",
    key: id,
    expiresAt: new Date(Date.now() + proposalMs),
    decide(document) {
      const base = (to === null ? document.protections : document.switches)?.[key]?.revision ?? 0;
      if (to === null && base === 0) throw new AppError("conflict", `${key} is not protected`);
      return { before: null, after: { key, change: to, expires, base, hash: hashOf(key, to, expires) } };
    },
  });
  return done!;
}

/** The content that is said yes to. */
const hashOf = (key: string, to: SwitchChange | null, expires: string | null) =>
  createHash("sha256")
    .update(canonicalJson({ key, change: to, expires }))
    .digest("hex");

/** A second approval of the same proposal, as after an answer that was lost, does nothing new. */
export async function approve(deps: ChangeDeps, id: string, hash: string, why: Why) {
  const proposal = deps.live.current().proposals[id];
  if (!proposal) throw noProposal(id);
  const { key, change: to, expires, base } = proposal;
  const approved = (document: Document) => {
    const now = document.proposals?.[id];
    if (!now) throw noProposal(id);
    refuseSame(now.changedBy, why.actor);
    if (now.hash !== hash)
      throw new AppError("conflict", "what was proposed is not what you approve; read it again");
    const revision = (to === null ? document.protections : document.switches)?.[key]?.revision ?? 0;
    if (revision !== base)
      throw new AppError("conflict", `${key} was changed since this was proposed; propose it anew`);
  };
  const reason = `${why.reason} (proposed by ${proposal.changedBy?.name}: ${proposal.reason})`.slice(0, 500);
  const said = { ...why, reason, expiresAt: expires === null ? null : new Date(expires) };
  const done =
    to === null
      ? (await change(deps, {
          ...said,
          kind: "protection.lifted",
          key,
          decide(document) {
            approved(document);
            return { before: document.protections?.[key] ?? null, after: null };
          },
        }))!
      : await setSwitch(deps, key, to, said, { approved, kind: "switch.approved", id: actId(id) });
  await close(deps, id, "approved", why);
  return done;
}

export async function reject(deps: ChangeDeps, id: string, why: Why) {
  if (!deps.live.current().proposals[id]) throw noProposal(id);
  return (await close(deps, id, "rejected", why))!;
}

const close = (deps: ChangeDeps, id: string, act: "approved" | "rejected", why: Why) =>
  change(deps, {
    ...why,
    expiresAt: null,
    kind: `proposal.${act}`,
    key: id,
    decide: (document) =>
      document.proposals?.[id] ? { before: document.proposals[id], after: null } : undefined,
  });

function refuseSame(proposer: ControlActor | null, approver: ControlActor): void {
  if (proposer?.id === approver.id)
    throw new AppError("forbidden", "whoever proposes can not approve; ask a second operator");
}

const noProposal = (id: string) => new AppError("not_found", `no proposal ${id} is waiting`);

/** An id of an act that follows from what caused it, so that doing it twice does it once. */
export function actId(cause: string): string {
  const hex = createHash("sha256").update(cause).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Somebody has looked at it. */
export async function closeReview(deps: ChangeDeps, revision: string, verdict: string, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "review.done",
    key: revision,
    reason: `${verdict}: ${why.reason}`.slice(0, 500),
    decide(document) {
      const review = document.reviews?.[revision];
      if (!review) throw new AppError("not_found", `no review of act ${revision} is waiting`);
      if (review.changedBy?.id === why.actor.id)
        throw new AppError("forbidden", "whoever broke the glass can not review it; ask a second operator");
      return { before: review, after: null };
    },
  });
  return done!;
}
