// Step three of reading posts: which of them this reader may see, by what holds at this moment. A list may still hold what was
// there before an unfollow, a block or a mute; it is hidden from the very next read.

import { after, allOf, type Soon } from "@signalbox/core/at-once";
import { AppError } from "@signalbox/core/errors";
import { none } from "../../among.ts";
import type { Ctx } from "../../ctx.ts";
import { blockedAmong, followedAmong, mutedAmong } from "../../users/index.ts";
import type { StoredPost } from "../cached.ts";

/** A home feed shows who is followed; a thread hides who is muted; a profile was asked for by its name. */
export type Where = "home" | "thread" | "profile";

export function visible(ctx: Ctx, posts: StoredPost[], where: Where): Soon<StoredPost[]> {
  if (ctx.actor.kind !== "user") return posts.filter(({ visibility }) => visibility === "public");
  const me = ctx.actor.id;
  const others = [...new Set(posts.map(({ userId }) => userId))].filter((id) => id !== me);
  if (others.length === 0) return posts;
  const restricted =
    where === "home"
      ? others
      : others.filter((id) => posts.some((post) => post.userId === id && isRestricted(post)));
  return after(
    allOf([
      followedAmong(ctx, me, restricted),
      blockedAmong(ctx, me, others),
      where === "profile" ? none : mutedAmong(ctx, me, others),
    ]),
    ([followed, blocked, muted]) =>
      posts.filter((post) => {
        const { userId } = post;
        if (userId === me) return true;
        if (blocked.has(userId) || muted.has(userId)) return false;
        return followed.has(userId) || (where !== "home" && !isRestricted(post));
      }),
  );
}

const isRestricted = ({ visibility }: StoredPost) => visibility !== "public";

export const noPost = () => new AppError("not_found", "there is no post under this id");

/** To whom a post is hidden, it does not exist. */
export async function refuseHidden(ctx: Ctx, post: StoredPost): Promise<void> {
  if ((await visible(ctx, [post], "profile")).length === 0) throw noPost();
}
