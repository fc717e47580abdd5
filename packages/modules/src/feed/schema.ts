// What the feed takes and gives. Pure, so that forms may import it.

import { z } from "zod";
import { Handle } from "../auth/schema.ts";
import { Page, pageOf } from "../page.ts";
import { Person } from "../users/schema.ts";

// Strict: a reply or a picture that is not taken must not look as if it had been.
export const CreatePost = z.strictObject({
  text: z
    .string()
    .max(5_000, "must have at most 5,000 characters")
    .refine((text) => text.isWellFormed(), "must be whole Unicode characters")
    .refine((text) => text.trim() !== "", "must not be empty"),
});
export const ById = z.object({ id: z.uuid() });
export const PostsOf = Page.extend({ handle: Handle });

export const FeedItem = z.object({
  id: z.string(),
  text: z.string(),
  author: Person,
  createdAt: z.string(),
  editedAt: z.string().nullable(),
  replyTo: z.string().nullable(),
  media: z.array(z.object({ id: z.string(), url: z.string() })),
  counts: z.object({ likes: z.number().int(), replies: z.number().int(), reposts: z.number().int() }),
  viewer: z.object({ liked: z.boolean(), reposted: z.boolean() }),
});
export type FeedItem = z.infer<typeof FeedItem>;
export const FeedPage = pageOf(FeedItem);
export type FeedPage = z.infer<typeof FeedPage>;
