// What operators do about read models.

import type { TRPCRouterRecord } from "@trpc/server";
import { pageByKey } from "../control/list.ts";
import { noteAct } from "../control/note.ts";
import { OperatorPage } from "../control/schema.ts";
import { operatorProcedure } from "../trpc.ts";
import { beginRun, listRuns, readRun, requireReadModel } from "./runs.ts";
import { ByReadModel, ReadModelItem, ReadModelList, Rebuild } from "./schema.ts";

export const operatorReadModels = {
  readModels: {
    list: operatorProcedure
      .meta({ rest: "GET /readmodels", summary: "Copies that can be made from the truth again" })
      .input(OperatorPage)
      .output(ReadModelList)
      .query(async ({ ctx, input }) =>
        pageByKey("readmodels", await listRuns(ctx), input, ({ name }) => name),
      ),
    read: operatorProcedure
      .meta({ rest: "GET /readmodels/{name}", summary: "One of them, and how far its newest run is" })
      .input(ByReadModel)
      .output(ReadModelItem)
      .query(({ ctx, input }) => readRun(ctx, input.name)),
    rebuild: operatorProcedure
      .meta({
        rest: "POST /readmodels/{name}/rebuild",
        status: 202,
        role: "operator",
        summary: "Compare it with the truth and heal what differs, while it is in use",
      })
      .input(Rebuild)
      .output(ReadModelItem)
      .mutation(async ({ ctx, input: { name, compareOnly, ...why } }) => {
        requireReadModel(name);
        await noteAct(ctx, compareOnly ? "readmodel.compared" : "readmodel.rebuilt", name, why);
        return beginRun(ctx, name, !compareOnly);
      }),
  },
} satisfies TRPCRouterRecord;
