// What waits for a second operator: proposals, and broken glass to be looked at.

import { whyShape } from "@signalbox/control/settings";
import { z } from "zod";
import { ActorShape, anyKey, endInstant, listOf } from "./shape-parts.ts";
import { offOnly, position } from "./switches.ts";

export const ProposalItem = z.object({
  id: z.string(),
  key: z.string(),
  change: z.object(position).nullable().describe("null: to take the protection away"),
  expires: z.string().nullable().describe("the end that the change would have"),
  hash: z.string().describe("of what is proposed; whoever approves repeats it"),
  reason: z.string(),
  proposedBy: ActorShape.nullable(),
  proposedAt: z.string().nullable(),
  expiresAt: z.string().nullable().describe("until when it waits"),
});
export const ProposalList = listOf(ProposalItem);
export const Propose = z.object({
  key: anyKey,
  change: offOnly(z.object(position)).nullable(),
  expires: endInstant.describe("the end that the change shall have"),
  ...whyShape,
});
export const Proposed = z.object({ id: z.string(), hash: z.string(), version: z.number().int() });
export const Approve = z.object({ id: anyKey, hash: z.string().max(200), ...whyShape });
export const OneProposal = z.object({ id: anyKey, ...whyShape });

export const ReviewItem = z.object({
  revision: z.string(),
  key: z.string(),
  dueAt: z.string(),
  isDue: z.boolean(),
  reason: z.string(),
  brokenBy: ActorShape.nullable(),
  brokenAt: z.string().nullable(),
});
export const ReviewList = listOf(ReviewItem);
export const CloseReview = z.object({
  revision: anyKey,
  verdict: z.enum(["right", "wrong"]),
  ...whyShape,
});

export type ProposalItem = z.infer<typeof ProposalItem>;
export type ReviewItem = z.infer<typeof ReviewItem>;
