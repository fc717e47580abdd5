// What users do when something was announced: the second way by which a change reaches every cache, should the process that
// made it have died before it could tell.

import { type Ctx, on } from "../ctx.ts";
import { forgetFollowing, forgetHandles, forgetProfiles, forgetRelations } from "./cached.ts";
import {
  userBlocked,
  userFollowed,
  userMuted,
  userUnblocked,
  userUnfollowed,
  userUnmuted,
  userUpdated,
} from "./events.ts";

type Edge = { userId: string; targetId: string };

const forgetFollow = async (ctx: Ctx, { userId, targetId }: Edge) => {
  await Promise.all([forgetProfiles(ctx, [userId, targetId]), forgetFollowing(ctx, [userId])]);
};
const forgetBoth = (ctx: Ctx, { userId, targetId }: Edge) => forgetRelations(ctx, [userId, targetId]);

export const jobs = [
  on(userUpdated, "users.profile.forget", async (ctx, { userId, handles }) => {
    await Promise.all([forgetProfiles(ctx, [userId]), forgetHandles(ctx, handles)]);
  }),
  on(userFollowed, "users.counts.forget", forgetFollow),
  on(userUnfollowed, "users.counts.forget", forgetFollow),
  on(userBlocked, "users.relations.forget", forgetBoth),
  on(userUnblocked, "users.relations.forget", forgetBoth),
  on(userMuted, "users.relations.forget", forgetBoth),
  on(userUnmuted, "users.relations.forget", forgetBoth),
];
