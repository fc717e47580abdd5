// New posts of a home feed since a mark: what a live stream asks for whenever there may be some. From the truth and not from the
// reader's list, so that workers that stand still hold nothing back.

import type { AsUser } from "../ctx.ts";
import { followUp, type Since } from "../live/mark.ts";
import { hydrate } from "./read/hydrate.ts";
import { present } from "./read/present.ts";
import { visible } from "./read/rules.ts";
import { oldestAbove } from "./read/skeleton.ts";
import type { FeedItem } from "./schema.ts";
import { feedAuthors } from "./timeline.ts";

export async function readLive(ctx: AsUser, { after }: Since) {
  const authors = await feedAuthors(ctx, ctx.actor.id);
  return followUp<FeedItem>({
    after,
    nowMs: ctx.now().getTime(),
    idsAbove: (floor, size) => oldestAbove(ctx, authors, floor, size),
    show: async (ids) => present(ctx, await visible(ctx, await hydrate(ctx, ids), "home")),
  });
}
