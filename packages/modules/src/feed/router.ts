import type { TRPCRouterRecord } from "@trpc/server";
import { z } from "zod";
import { Page } from "../page.ts";
import { guestProcedure, userProcedure } from "../trpc.ts";
import { readHome } from "./home.ts";
import { createPost, deletePost, listPostsOf, readPost } from "./posts.ts";
import { ById, CreatePost, FeedItem, FeedPage, PostsOf } from "./schema.ts";

export const router = {
  post: {
    create: userProcedure
      .meta({ rest: "POST /posts", status: 201, summary: "Publish a post" })
      .input(CreatePost)
      .output(FeedItem)
      .mutation(({ ctx, input }) => createPost(ctx, input)),
    read: guestProcedure
      .meta({ rest: "GET /posts/{id}", summary: "One post" })
      .input(ById)
      .output(FeedItem)
      .query(({ ctx, input }) => readPost(ctx, input)),
    delete: userProcedure
      .meta({ rest: "DELETE /posts/{id}", status: 204, summary: "Delete your post" })
      .input(ById)
      .output(z.void())
      .mutation(({ ctx, input }) => deletePost(ctx, input)),
    list: guestProcedure
      .meta({ rest: "GET /users/{handle}/posts", summary: "A user's posts, newest first" })
      .input(PostsOf)
      .output(FeedPage)
      .query(({ ctx, input }) => listPostsOf(ctx, input)),
  },
  home: {
    read: userProcedure
      .meta({ rest: "GET /feed", summary: "Posts of those you follow and your own, newest first" })
      .input(Page)
      .output(FeedPage)
      .query(({ ctx, input }) => readHome(ctx, input)),
  },
} satisfies TRPCRouterRecord;
