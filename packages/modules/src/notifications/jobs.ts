// Who is told when something was announced.

import { type Ctx, on } from "../ctx.ts";
import {
  postCreated,
  postDeleted,
  postLiked,
  postReposted,
  postsByIds,
  postUnliked,
  postUnreposted,
} from "../feed/index.ts";
import { followedAmong, userFollowed, userUnfollowed } from "../users/index.ts";
import { forgetPost, takeBack, tell } from "./notifications.ts";

type Marked = { userId: string; postId: string; authorId: string };
type Created = {
  userId: string;
  id: string;
  visibility: "public" | "followers";
  replyTo: string | null;
  mentions: string[];
};

async function tellOfPost(ctx: Ctx, { userId, id, visibility, replyTo, mentions }: Created): Promise<void> {
  // By now it may be gone, and what was told of it with it.
  if ((await postsByIds(ctx, [id])).length === 0) return;
  const answered = replyTo ? (await postsByIds(ctx, [replyTo])).map((parent) => parent.userId) : [];
  const named = mentions.filter((each) => !answered.includes(each));
  const maySee = async (ids: string[]) => {
    if (visibility === "public") return ids;
    const seeing = await Promise.all(
      ids.map(async (each) => (await followedAmong(ctx, each, [userId])).has(userId)),
    );
    return ids.filter((_, at) => seeing[at]);
  };
  await tell(ctx, await maySee(answered), { kind: "reply", actorId: userId, postId: id });
  await tell(ctx, await maySee(named), { kind: "mention", actorId: userId, postId: id });
}

const ofMark = (kind: "like" | "repost", { userId, postId }: Marked) => ({ kind, actorId: userId, postId });
const told = (kind: "like" | "repost") => (ctx: Ctx, marked: Marked) =>
  tell(ctx, [marked.authorId], ofMark(kind, marked));
const taken = (kind: "like" | "repost") => (ctx: Ctx, marked: Marked) =>
  takeBack(ctx, marked.authorId, ofMark(kind, marked));
const ofFollow = (userId: string) => ({ kind: "follow" as const, actorId: userId, postId: null });

export const jobs = [
  on(postCreated, "notifications.post.tell", tellOfPost),
  on(postDeleted, "notifications.post.forget", (ctx, { id }) => forgetPost(ctx, id)),
  on(postLiked, "notifications.like.tell", told("like")),
  on(postUnliked, "notifications.like.take_back", taken("like")),
  on(postReposted, "notifications.repost.tell", told("repost")),
  on(postUnreposted, "notifications.repost.take_back", taken("repost")),
  on(userFollowed, "notifications.follow.tell", (ctx, { userId, targetId }) =>
    tell(ctx, [targetId], ofFollow(userId)),
  ),
  on(userUnfollowed, "notifications.follow.take_back", (ctx, { userId, targetId }) =>
    takeBack(ctx, targetId, ofFollow(userId)),
  ),
];
