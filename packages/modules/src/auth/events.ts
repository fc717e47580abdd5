// What auth announces.

import { z } from "zod";
import { defineEvent } from "../ctx.ts";

export const userCreated = defineEvent(
  "user.created",
  1,
  z.object({ userId: z.string(), handle: z.string() }),
);
