import { AppError } from "@signalbox/core/errors";
import type { TRPCRouterRecord } from "@trpc/server";
import { z } from "zod";
import { readAccountState, restoreAccount, suspendAccount } from "../auth/index.ts";
import type { AsUser } from "../ctx.ts";
import { moderatorProcedure, userProcedure } from "../trpc.ts";
import { findAccount } from "../users/index.ts";
import { createReport, listReports, resolveReport } from "./reports.ts";
import {
  CreateReport,
  Report,
  ReportList,
  ReportMade,
  ReportQuery,
  Resolve,
  RestoreByHandle,
  SuspendByHandle,
} from "./schema.ts";

async function subjectOf(ctx: AsUser, handle: string): Promise<string> {
  const account = await findAccount(ctx, { handle });
  if (!account) throw new AppError("not_found", `there is no user @${handle}`);
  const { role } = await readAccountState(ctx, account.id);
  if (role === "moderator") throw new AppError("forbidden", "moderators are for operators to suspend");
  return account.id;
}

export const router = {
  report: {
    create: userProcedure
      .meta({ rest: "POST /reports", status: 201, summary: "Report a user or a post to the moderators" })
      .input(CreateReport)
      .output(ReportMade)
      .mutation(({ ctx, input }) => createReport(ctx, input)),
    list: moderatorProcedure
      .meta({
        rest: "GET /moderation/reports",
        priority: "background",
        summary: "What was reported, oldest first (moderators)",
      })
      .input(ReportQuery)
      .output(ReportList)
      .query(({ ctx, input }) => listReports(ctx, input)),
    resolve: moderatorProcedure
      .meta({ rest: "POST /moderation/reports/{id}/resolve", summary: "Decide about a report (moderators)" })
      .input(Resolve)
      .output(Report)
      .mutation(({ ctx, input }) => resolveReport(ctx, input)),
  },
  user: {
    suspend: moderatorProcedure
      .meta({
        rest: "POST /moderation/users/{handle}/suspend",
        status: 204,
        summary: "Suspend a user (moderators)",
      })
      .input(SuspendByHandle)
      .output(z.void())
      .mutation(async ({ ctx, input }) =>
        suspendAccount(ctx, await subjectOf(ctx, input.handle), input.reason),
      ),
    restore: moderatorProcedure
      .meta({
        rest: "POST /moderation/users/{handle}/restore",
        status: 204,
        summary: "Lift a suspension (moderators)",
      })
      .input(RestoreByHandle)
      .output(z.void())
      .mutation(async ({ ctx, input }) => restoreAccount(ctx, await subjectOf(ctx, input.handle))),
  },
} satisfies TRPCRouterRecord;
