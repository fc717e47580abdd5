import type { TRPCRouterRecord } from "@trpc/server";
import { z } from "zod";
import { LivePage, Since } from "../live/mark.ts";
import { watchLive } from "../live/watch.ts";
import { guestProcedure, userProcedure } from "../trpc.ts";
import { readLive } from "./live.ts";
import { like, repost, unlike, unrepost } from "./marks.ts";
import {
  createPost,
  deletePost,
  editPost,
  listPostsOf,
  listReplies,
  readHistory,
  readHome,
  readPost,
} from "./posts.ts";
import {
  ById,
  CreatePost,
  EditPost,
  FeedItem,
  FeedPage,
  HistoryOf,
  Page,
  PostHistory,
  PostsOf,
  RepliesTo,
  WriteState,
} from "./schema.ts";
import { readWrite } from "./writes.ts";

const Behind = z.object({
  lastEventId: z.string().max(16_000).optional().describe("the id of the event behind which to go on"),
});

export const router = {
  post: {
    create: userProcedure
      .meta({ rest: "POST /posts", status: 201, mayWait: true, summary: "Publish a post" })
      .input(CreatePost)
      .output(FeedItem)
      .mutation(({ ctx, input }) => createPost(ctx, input)),
    read: guestProcedure
      .meta({ rest: "GET /posts/{id}", ifMatch: true, lessens: true, summary: "One post" })
      .input(ById)
      .output(FeedItem)
      .query(({ ctx, input }) => readPost(ctx, input)),
    edit: userProcedure
      .meta({
        rest: "PATCH /posts/{id}",
        ifMatch: true,
        summary: "Change your post; what it said before stays readable",
      })
      .input(EditPost)
      .output(FeedItem)
      .mutation(({ ctx, input }) => editPost(ctx, input)),
    delete: userProcedure
      .meta({ rest: "DELETE /posts/{id}", status: 204, ifMatch: true, summary: "Delete your post" })
      .input(ById)
      .output(z.void())
      .mutation(({ ctx, input }) => deletePost(ctx, input)),
    list: guestProcedure
      .meta({
        rest: "GET /users/{handle}/posts",
        priority: "background",
        lessens: true,
        summary: "A user's posts, newest first",
      })
      .input(PostsOf)
      .output(FeedPage)
      .query(({ ctx, input }) => listPostsOf(ctx, input)),
  },
  history: {
    list: guestProcedure
      .meta({ rest: "GET /posts/{id}/history", summary: "What a post says and said before, newest first" })
      .input(HistoryOf)
      .output(PostHistory)
      .query(({ ctx, input }) => readHistory(ctx, input)),
  },
  reply: {
    list: guestProcedure
      .meta({
        rest: "GET /posts/{id}/replies",
        lessens: true,
        summary: "The answers to a post, newest first",
      })
      .input(RepliesTo)
      .output(FeedPage)
      .query(({ ctx, input }) => listReplies(ctx, input)),
  },
  like: {
    create: userProcedure
      .meta({ rest: "PUT /posts/{id}/like", status: 204, summary: "Like a post" })
      .input(ById)
      .output(z.void())
      .mutation(({ ctx, input }) => like(ctx, input)),
    delete: userProcedure
      .meta({ rest: "DELETE /posts/{id}/like", status: 204, summary: "Take your like back" })
      .input(ById)
      .output(z.void())
      .mutation(({ ctx, input }) => unlike(ctx, input)),
  },
  repost: {
    create: userProcedure
      .meta({ rest: "PUT /posts/{id}/repost", status: 204, summary: "Repost a public post" })
      .input(ById)
      .output(z.void())
      .mutation(({ ctx, input }) => repost(ctx, input)),
    delete: userProcedure
      .meta({ rest: "DELETE /posts/{id}/repost", status: 204, summary: "Take your repost back" })
      .input(ById)
      .output(z.void())
      .mutation(({ ctx, input }) => unrepost(ctx, input)),
  },
  write: {
    read: userProcedure
      .meta({
        rest: "GET /writes/{id}",
        summary: "How a write stands that was answered with 202: queued, done or refused",
      })
      .input(ById)
      .output(WriteState)
      .query(({ ctx, input }) => readWrite(ctx, input.id)),
  },
  home: {
    read: userProcedure
      .meta({
        rest: "GET /feed",
        priority: "critical",
        lessens: true,
        summary: "Posts of those you follow and your own, newest first",
      })
      .input(Page)
      .output(FeedPage)
      .query(({ ctx, input }) => readHome(ctx, input)),
  },
  live: {
    read: userProcedure
      .meta({
        priority: "background",
        lessens: true,
        summary: "Posts of the home feed since a mark; a live stream asks this",
      })
      .input(Since)
      .output(LivePage(FeedItem))
      .query(({ ctx, input }) => readLive(ctx, input)),
    watch: userProcedure
      .meta({
        stream: {
          rest: "GET /feed/live",
          events:
            "`ready`, `post` (a feed item), `notification`, `reset` (read the lists anew) and `end` (`{code,detail,retryMs}`), each with an id to go on from",
        },
        summary: "New posts and notifications as they come",
      })
      .input(Behind.optional())
      .subscription(({ ctx, input, signal }) => watchLive(ctx, input?.lastEventId, signal)),
  },
} satisfies TRPCRouterRecord;
