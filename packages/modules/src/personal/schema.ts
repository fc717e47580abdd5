// What is asked and answered about people's own data. Pure, so that forms may import it.

import { whyShape } from "@signalbox/control/settings";
import { z } from "zod";
import { pageOf } from "../page.ts";

export const Leave = z.object({ password: z.string().min(1).max(512) });
export const ByRequest = z.object({ id: z.uuid() });

export const PersonalRequest = z.object({
  id: z.string(),
  kind: z.enum(["export", "erasure"]),
  state: z.enum(["waiting", "running", "done", "failed"]),
  steps: z.array(z.object({ name: z.string(), count: z.number().int() })).describe("what is done so far"),
  total: z.number().int().describe("how many steps there are"),
  error: z.string().nullable(),
  archive: z.string().nullable().describe("where the archive is fetched, once it is there"),
  createdAt: z.string(),
  finishedAt: z.string().nullable(),
  expiresAt: z.string().nullable().describe("until when the archive is kept"),
});

export const RequestQuery = z.object({
  user: z.uuid().optional(),
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
});
export const RequestList = pageOf(PersonalRequest);

/** An id, a handle or an e-mail address. */
export const ByUser = z.object({ user: z.string().min(1).max(254) });
export const ForUser = ByUser.extend(whyShape);
/** Of whoever is erased nothing is left to look these up by. */
export const SearchUser = ByUser.extend({
  handle: z.string().max(30).optional(),
  email: z.string().max(254).optional(),
});
export const Traces = z.object({
  userId: z.string(),
  handle: z.string().nullable(),
  email: z.string().nullable(),
  items: z.array(z.object({ place: z.string(), count: z.number().int() })),
  places: z.number().int().describe("how many columns and keys were searched"),
  total: z.number().int(),
});
export const Rewrapped = z.object({ done: z.number().int(), left: z.number().int() });

export type PersonalRequest = z.infer<typeof PersonalRequest>;
