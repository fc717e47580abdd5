// What users announce. The key is the one who acts.

import { z } from "zod";
import { defineEvent } from "../ctx.ts";

const Edge = z.object({ userId: z.string(), targetId: z.string() });

export const userFollowed = defineEvent("user.followed", 1, Edge);
export const userUnfollowed = defineEvent("user.unfollowed", 1, Edge);
