// What the feed announces. The key is the one who acts: the author, or who likes.

import { z } from "zod";
import { defineEvent } from "../ctx.ts";

const Post = z.object({ userId: z.string(), id: z.string() });
const Marked = z.object({
  userId: z.string(),
  postId: z.string(),
  /** Of the post. */
  authorId: z.string(),
});

export const postCreated = defineEvent(
  "post.created",
  2,
  Post.extend({
    visibility: z.enum(["public", "followers"]),
    /** The post that it answers. */
    replyTo: z.string().nullable(),
    /** Users whom it names. */
    mentions: z.array(z.string()),
  }),
  { 1: (payload: object) => ({ visibility: "public", replyTo: null, mentions: [], ...payload }) },
);
export const postEdited = defineEvent(
  "post.edited",
  1,
  Post.extend({ visibility: z.enum(["public", "followers"]), mentions: z.array(z.string()) }),
);
export const postDeleted = defineEvent("post.deleted", 1, Post);

export const postLiked = defineEvent("post.liked", 1, Marked);
export const postUnliked = defineEvent("post.unliked", 1, Marked);
export const postReposted = defineEvent("post.reposted", 1, Marked);
export const postUnreposted = defineEvent("post.unreposted", 1, Marked);
