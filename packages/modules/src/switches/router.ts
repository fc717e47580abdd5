import type { TRPCRouterRecord } from "@trpc/server";
import type { Catalogue } from "../catalogue.ts";
import { guestProcedure } from "../trpc.ts";
import { listFlags, readRules } from "./flags.ts";
import { FlagList, ForWhom, RuleBook } from "./schema.ts";

export const createSwitchRouter = (catalogue: () => Catalogue) =>
  ({
    flag: {
      list: guestProcedure
        .meta({
          rest: "GET /switches",
          summary: "What an application's switches are for whoever calls; safe in a browser",
        })
        .input(ForWhom)
        .output(FlagList)
        .query(({ ctx, input }) => listFlags(ctx, catalogue(), input)),
    },
    rules: {
      read: guestProcedure
        .meta({
          rest: "GET /switches/rules",
          summary: "An application's switches as rules, for servers that decide by themselves",
        })
        .output(RuleBook)
        .query(({ ctx }) => readRules(ctx, catalogue())),
    },
  }) satisfies TRPCRouterRecord;
