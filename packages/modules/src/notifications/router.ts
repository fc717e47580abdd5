import type { TRPCRouterRecord } from "@trpc/server";
import { z } from "zod";
import { LivePage, Since } from "../live/mark.ts";
import { Page } from "../page.ts";
import { userProcedure } from "../trpc.ts";
import { readLive } from "./live.ts";
import { listNotifications, markRead } from "./notifications.ts";
import { MarkRead, Notification, NotificationPage } from "./schema.ts";

export const router = {
  item: {
    list: userProcedure
      .meta({ rest: "GET /notifications", summary: "What others did with you and your posts, newest first" })
      .input(Page)
      .output(NotificationPage)
      .query(({ ctx, input }) => listNotifications(ctx, input)),
    read: userProcedure
      .meta({ rest: "POST /notifications/read", status: 204, summary: "Mark notifications as read" })
      .input(MarkRead)
      .output(z.void())
      .mutation(({ ctx, input }) => markRead(ctx, input)),
  },
  live: {
    read: userProcedure
      .meta({ priority: "background", summary: "Notifications since a mark; a live stream asks this" })
      .input(Since)
      .output(LivePage(Notification))
      .query(({ ctx, input }) => readLive(ctx, input)),
  },
} satisfies TRPCRouterRecord;
