// What a live stream is made of. The procedures are called through their door, so that in a gateway they run where their module is.

import type { AsUser } from "../ctx.ts";
import { appRouter } from "../index.ts";
import type { LiveSource } from "./streams.ts";

const since = (after: string | undefined) => (after === undefined ? {} : { after });

export const liveSources: LiveSource[] = [
  {
    event: "post",
    read: (ctx: AsUser, after) => appRouter.createCaller(ctx).feed.live.read(since(after)),
  },
  {
    event: "notification",
    read: (ctx: AsUser, after) => appRouter.createCaller(ctx).notifications.live.read(since(after)),
  },
];
