// A live stream as a subscription: what its client knows an event by travels beside it.

import { AppError } from "@signalbox/core/errors";
import { tracked } from "@trpc/server";
import type { AsUser } from "../ctx.ts";

export async function watchLive(
  ctx: AsUser,
  lastEventId: string | undefined,
  signal: AbortSignal | undefined,
) {
  if (!ctx.streams)
    throw new AppError("unavailable", "this process holds no live streams; ask a gateway", {
      retryAfterMs: 1_000,
    });
  return follow(await ctx.streams.open(ctx, lastEventId, signal));
}

async function* follow(events: Awaited<ReturnType<NonNullable<AsUser["streams"]>["open"]>>) {
  for await (const event of events) {
    // tRPC keeps the connection alive by itself.
    if (event.event === "beat") continue;
    const { event: kind, data } = event;
    yield tracked("id" in event ? event.id : kind, { event: kind, data });
  }
}
