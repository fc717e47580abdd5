// What the feed takes and gives. Pure, so that forms may import it.

import { z } from "zod";
import { Handle } from "../auth/schema.ts";
import { Page as AnyPage, pageOf } from "../page.ts";
import { isUnseen } from "../unseen.ts";
import { Person } from "../users/schema.ts";

const PostText = z
  .string()
  .max(5_000, "must have at most 5,000 characters")
  .refine((text) => text.isWellFormed(), "must be whole Unicode characters")
  .refine((text) => !text.includes("\0"), "must not hold the character NUL")
  .refine((text) => !isUnseen(text), "must not be empty");
const Visibility = z.enum(["public", "followers"]).describe("who sees it: everyone, or followers only");

// Strict: what is not taken must not look as if it had been.
export const CreatePost = z.strictObject({
  text: PostText,
  mediaIds: z
    .array(z.uuid())
    .max(0, "names media that are not there: this server takes none yet")
    .optional()
    .describe("none yet"),
  replyTo: z.uuid().nullable().optional().describe("the post that this one answers"),
  visibility: Visibility.default("public"),
});
export const ById = z.object({ id: z.uuid() });
export const EditPost = z
  .strictObject({ id: z.uuid(), text: PostText.optional(), visibility: Visibility.optional() })
  .refine(({ text, visibility }) => text !== undefined || visibility !== undefined, {
    path: ["text"],
    message: "is required, or visibility is",
  });

/** Longer than elsewhere: of the newest posts a cursor remembers which ones were given. */
export const Page = AnyPage.extend({ cursor: z.string().max(4_000).optional() });
export const PostsOf = Page.extend({ handle: Handle });
export const RepliesTo = Page.extend({ id: z.uuid() });
export const HistoryOf = AnyPage.extend({ id: z.uuid() });

export const FeedItem = z.object({
  id: z.string(),
  text: z.string(),
  author: Person,
  createdAt: z.string(),
  editedAt: z.string().nullable(),
  replyTo: z.string().nullable(),
  visibility: Visibility,
  entities: z
    .object({
      mentions: z.array(z.object({ id: z.string(), handle: z.string() })),
      hashtags: z.array(z.string()),
      links: z.array(z.string()),
    })
    .describe("what the text names; handles as they were written"),
  media: z.array(z.object({ id: z.string(), url: z.string() })),
  counts: z.object({ likes: z.number().int(), replies: z.number().int(), reposts: z.number().int() }),
  viewer: z.object({ liked: z.boolean(), reposted: z.boolean() }),
});
export type FeedItem = z.infer<typeof FeedItem>;
export const FeedPage = pageOf(FeedItem);
export type FeedPage = z.infer<typeof FeedPage>;

export const WriteState = z.object({
  id: z.string(),
  status: z.enum(["queued", "done", "refused"]),
  result: FeedItem.optional().describe("the post, once it is done"),
  problem: z
    .object({ code: z.string(), detail: z.string() })
    .optional()
    .describe("why it was refused when its turn came"),
});

export const PostHistory = pageOf(
  z.object({ text: z.string(), writtenAt: z.string().describe("since when the post said so") }),
);
