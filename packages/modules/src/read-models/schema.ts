// What operators ask and are told about read models. Pure, so that forms may import it.

import { whyShape } from "@signalbox/control/settings";
import { z } from "zod";
import { pageOf } from "../page.ts";

export const ReadModelRun = z.object({
  id: z.string(),
  heals: z.boolean().describe("false: it only compares"),
  state: z.enum(["running", "done"]),
  total: z.number().int().describe("how many there are to go over, about"),
  done: z.number().int(),
  wrong: z.number().int().describe("how many were not as the truth has them"),
  error: z.string().nullable().describe("why it stands still at this moment"),
  createdAt: z.string(),
  finishedAt: z.string().nullable(),
});
export const ReadModelItem = z.object({
  name: z.string(),
  module: z.string(),
  text: z.string(),
  run: ReadModelRun.nullable().describe("the newest"),
});
export const ReadModelList = pageOf(ReadModelItem);
export const ByReadModel = z.object({ name: z.string().max(100) });
export const Rebuild = ByReadModel.extend({
  compareOnly: z.boolean().default(false).describe("changes nothing, and counts what is wrong"),
  ...whyShape,
});
