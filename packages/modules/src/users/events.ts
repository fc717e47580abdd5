// What users announce. The key is the one who acts.

import { z } from "zod";
import { defineEvent } from "../ctx.ts";

const Edge = z.object({ userId: z.string(), targetId: z.string() });

export const userUpdated = defineEvent(
  "user.updated",
  1,
  z.object({
    userId: z.string(),
    version: z.number().int(),
    /** Names of the fields that are new. */
    changed: z.array(z.string()),
    /** Where the handle changed: the one before and the one now. */
    handles: z.array(z.string()).default([]),
  }),
);

export const userFollowed = defineEvent("user.followed", 1, Edge);
export const userUnfollowed = defineEvent("user.unfollowed", 1, Edge);
export const userBlocked = defineEvent("user.blocked", 1, Edge);
export const userUnblocked = defineEvent("user.unblocked", 1, Edge);
export const userMuted = defineEvent("user.muted", 1, Edge);
export const userUnmuted = defineEvent("user.unmuted", 1, Edge);
