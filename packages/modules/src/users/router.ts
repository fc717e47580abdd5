import type { TRPCRouterRecord } from "@trpc/server";
import { z } from "zod";
import { Page } from "../page.ts";
import { guestProcedure, userProcedure } from "../trpc.ts";
import { block, mute, unblock, unmute } from "./blocks.ts";
import { updateProfile } from "./edit.ts";
import { follow, listBlocked, listFollowers, listFollowing, listMuted, unfollow } from "./follows.ts";
import { readOwnProfile, readProfile } from "./profile.ts";
import {
  ByHandle,
  OwnProfile,
  PageByHandle,
  PersonList,
  Profile,
  SearchPeople,
  UpdateProfile,
} from "./schema.ts";
import { searchPeople } from "./search.ts";

export const router = {
  me: {
    read: userProcedure
      .meta({ rest: "GET /me", ifMatch: true, priority: "critical", summary: "Your own profile" })
      .output(OwnProfile)
      .query(({ ctx }) => readOwnProfile(ctx)),
    update: userProcedure
      .meta({ rest: "PATCH /me", ifMatch: true, summary: "Change your profile" })
      .input(UpdateProfile)
      .output(OwnProfile)
      .mutation(({ ctx, input }) => updateProfile(ctx, input)),
  },
  profile: {
    read: guestProcedure
      .meta({ rest: "GET /users/{handle}", ifMatch: true, summary: "A user's profile" })
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
  block: {
    create: userProcedure
      .meta({ rest: "PUT /users/{handle}/block", status: 204, summary: "Block a user" })
      .input(ByHandle)
      .output(z.void())
      .mutation(({ ctx, input }) => block(ctx, input)),
    delete: userProcedure
      .meta({ rest: "DELETE /users/{handle}/block", status: 204, summary: "End a block" })
      .input(ByHandle)
      .output(z.void())
      .mutation(({ ctx, input }) => unblock(ctx, input)),
    list: userProcedure
      .meta({ rest: "GET /me/blocks", priority: "background", summary: "Whom you block" })
      .input(Page)
      .output(PersonList)
      .query(({ ctx, input }) => listBlocked(ctx, input)),
  },
  mute: {
    create: userProcedure
      .meta({ rest: "PUT /users/{handle}/mute", status: 204, summary: "Mute a user" })
      .input(ByHandle)
      .output(z.void())
      .mutation(({ ctx, input }) => mute(ctx, input)),
    delete: userProcedure
      .meta({ rest: "DELETE /users/{handle}/mute", status: 204, summary: "End a mute" })
      .input(ByHandle)
      .output(z.void())
      .mutation(({ ctx, input }) => unmute(ctx, input)),
    list: userProcedure
      .meta({ rest: "GET /me/mutes", priority: "background", summary: "Whom you mute" })
      .input(Page)
      .output(PersonList)
      .query(({ ctx, input }) => listMuted(ctx, input)),
  },
  people: {
    search: userProcedure
      .meta({ priority: "background", weight: 5, lessens: true, summary: "People by handle or name" })
      .input(SearchPeople)
      .output(PersonList)
      .query(({ ctx, input }) => searchPeople(ctx, input)),
  },
  followers: {
    list: userProcedure
      .meta({ rest: "GET /users/{handle}/followers", priority: "background", summary: "Who follows a user" })
      .input(PageByHandle)
      .output(PersonList)
      .query(({ ctx, input }) => listFollowers(ctx, input)),
  },
  following: {
    list: userProcedure
      .meta({ rest: "GET /users/{handle}/following", priority: "background", summary: "Whom a user follows" })
      .input(PageByHandle)
      .output(PersonList)
      .query(({ ctx, input }) => listFollowing(ctx, input)),
  },
} satisfies TRPCRouterRecord;
