// How /v2 shows the feed: author and counts lie flat in the item.

import { z } from "zod";
import { pageOf } from "../page.ts";
import type { Shape } from "../shapes.ts";
import { FeedItem, FeedPage, WriteState } from "./schema.ts";

const { id, handle, displayName, avatar } = FeedItem.shape.author.shape;
const FlatFeedItem = z.object({
  ...FeedItem.omit({ author: true, counts: true }).shape,
  authorId: id,
  authorHandle: handle,
  authorDisplayName: displayName,
  authorAvatar: avatar,
  ...FeedItem.shape.counts.shape,
});

function flatten({ author, counts, ...item }: FeedItem): z.infer<typeof FlatFeedItem> {
  return {
    ...item,
    authorId: author.id,
    authorHandle: author.handle,
    authorDisplayName: author.displayName,
    authorAvatar: author.avatar,
    ...counts,
  };
}

export const feedShapesOfV2: [z.ZodType, Shape][] = [
  [FeedItem, { output: FlatFeedItem, present: flatten }],
  [
    FeedPage,
    {
      output: pageOf(FlatFeedItem),
      present: ({ items, ...page }: FeedPage) => ({ ...page, items: items.map(flatten) }),
    },
  ],
  [
    WriteState,
    {
      output: WriteState.extend({ result: FlatFeedItem.optional() }),
      present: ({ result, ...state }: z.infer<typeof WriteState>) => ({
        ...state,
        ...(result ? { result: flatten(result) } : {}),
      }),
    },
  ],
];
