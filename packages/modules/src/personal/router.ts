import type { TRPCRouterRecord } from "@trpc/server";
import { userProcedure } from "../trpc.ts";
import { deleteAccount, readRequest, requestExport } from "./requests.ts";
import { ByRequest, Leave, PersonalRequest } from "./schema.ts";

export const router = {
  account: {
    delete: userProcedure
      .meta({
        rest: "DELETE /me",
        status: 202,
        body: true,
        summary: "Delete your account and everything of yours; it can not be undone",
      })
      .input(Leave)
      .output(PersonalRequest)
      .mutation(({ ctx, input }) => deleteAccount(ctx, input)),
  },
  export: {
    create: userProcedure
      .meta({
        rest: "POST /me/export",
        priority: "background",
        status: 202,
        summary: "Have an archive made of everything of yours",
      })
      .output(PersonalRequest)
      .mutation(({ ctx }) => requestExport(ctx)),
    read: userProcedure
      .meta({
        rest: "GET /me/export/{id}",
        priority: "background",
        summary: "How far an export is, and where its archive is",
      })
      .input(ByRequest)
      .output(PersonalRequest)
      .query(({ ctx, input }) => readRequest(ctx, input)),
  },
} satisfies TRPCRouterRecord;
