// What the feed announces. The key is the author.

import { z } from "zod";
import { defineEvent } from "../ctx.ts";

const Post = z.object({ userId: z.string(), id: z.string() });

export const postCreated = defineEvent("post.created", 1, Post);
export const postDeleted = defineEvent("post.deleted", 1, Post);
