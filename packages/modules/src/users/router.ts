import type { TRPCRouterRecord } from "@trpc/server";
import { z } from "zod";
import { guestProcedure, userProcedure } from "../trpc.ts";
import { follow, listFollowers, listFollowing, unfollow } from "./follows.ts";
import { readOwnProfile, readProfile } from "./profile.ts";
import { ByHandle, PageByHandle, PersonList, Profile } from "./schema.ts";

export const router = {
  me: {
    read: userProcedure
      .meta({ rest: "GET /me", summary: "Your own profile" })
      .output(Profile)
      .query(({ ctx }) => readOwnProfile(ctx)),
  },
  profile: {
    read: guestProcedure
      .meta({ rest: "GET /users/{handle}", summary: "A user's profile" })
      .input(ByHandle)
      .output(Profile)
      .query(({ ctx, input }) => readProfile(ctx, input)),
  },
  follow: {
    create: userProcedure
      .meta({ rest: "PUT /users/{handle}/follow", status: 204, summary: "Follow a user" })
      .input(ByHandle)
      .output(z.void())
      .mutation(({ ctx, input }) => follow(ctx, input)),
    delete: userProcedure
      .meta({ rest: "DELETE /users/{handle}/follow", status: 204, summary: "Stop following a user" })
      .input(ByHandle)
      .output(z.void())
      .mutation(({ ctx, input }) => unfollow(ctx, input)),
  },
  followers: {
    list: userProcedure
      .meta({ rest: "GET /users/{handle}/followers", summary: "Who follows a user" })
      .input(PageByHandle)
      .output(PersonList)
      .query(({ ctx, input }) => listFollowers(ctx, input)),
  },
  following: {
    list: userProcedure
      .meta({ rest: "GET /users/{handle}/following", summary: "Whom a user follows" })
      .input(PageByHandle)
      .output(PersonList)
      .query(({ ctx, input }) => listFollowing(ctx, input)),
  },
} satisfies TRPCRouterRecord;
