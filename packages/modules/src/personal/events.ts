// What is announced of people who leave.

import { z } from "zod";
import { defineEvent } from "../ctx.ts";

export const userDeleted = defineEvent("user.deleted", 1, z.object({ userId: z.string() }));
