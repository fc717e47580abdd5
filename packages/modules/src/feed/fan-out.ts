// Bringing a post to its followers' timelines, and taking it away again. To few at once and by who took the event; to very many in
// stretches, each a job that whichever worker has room does, so that nothing else waits behind a large author.

import { z } from "zod";
import type { Ctx } from "../ctx.ts";
import { wakeLive, wakeLiveFollowers } from "../live/wake.ts";
import {
  countFollowers,
  everyNthFollower,
  firstFollowers,
  firstFollowersSize,
  followersAfter,
} from "../users/index.ts";
import { ask, defineWork } from "../work.ts";
import { readPulled } from "./cached.ts";
import { isPushed, pullAboveOf } from "./pulled.ts";
import { pushToTimelines, removeFromTimelines } from "./timeline.ts";

/** Followers that are read at once. */
const chunk = firstFollowersSize;
/** Followers of one job, which takes some tens of milliseconds. */
const mostPerJob = 5_000;
/** Behind this one further ones make no difference. */
const lastPriority = 1_000;

type Post = { userId: string; id: string };

const spreadAboveOf = ({ live, now }: Pick<Ctx, "live" | "now">) =>
  live.rules().number("feed.spreadAbove", now().getTime());

export async function fanOut(ctx: Ctx, { userId, id }: Post): Promise<void> {
  const [first, pulled] = await Promise.all([firstFollowers(ctx, userId), readPulled(ctx)]);
  const spreadAbove = spreadAboveOf(ctx);
  // Whoever has so few followers can not be near the numbers, and nearly everyone has.
  const isSmall =
    first.length < chunk && pullAboveOf(ctx) >= chunk && spreadAbove >= chunk && !pulled.includes(userId);
  if (isSmall) return push(ctx, [userId, ...first], id);
  await push(ctx, [userId], id);
  if (!(await isPushed(ctx, userId))) return wakeLiveFollowers(ctx, userId);
  if ((await countFollowers(ctx, userId)) <= spreadAbove)
    return pushStretch(ctx, { userId, id, after: null, upTo: null }, first);
  const ends = await everyNthFollower(ctx, userId, Math.min(mostPerJob, spreadAbove));
  await askForAll(ctx, { userId, id }, ends);
}

const Stretch = z.object({
  userId: z.string(),
  id: z.string(),
  /** Followers by id: above the one, up to and with the other; null: from the first, to the last. */
  after: z.string().nullable(),
  upTo: z.string().nullable(),
});
type Stretch = z.infer<typeof Stretch>;

/** Its event may come again: a stretch that is asked for twice is one job, and done twice it comes out the same. */
async function askForAll(ctx: Ctx, post: Post, ends: string[]): Promise<void> {
  await Promise.all(
    [...ends, null].map((upTo, n) =>
      ask(
        ctx,
        spread,
        { ...post, after: ends[n - 1] ?? null, upTo },
        {
          ...(ctx.event ? { id: `${ctx.event.id}-${n}` } : {}),
          // The fewer, the sooner.
          priority: Math.min(1 + ends.length, lastPriority),
        },
      ),
    ),
  );
}

export const spread = defineWork(
  // Two in a process: Redis has one chunk while the next is made. Readers have their turns between chunks.
  { name: "feed.timeline.spread", schema: Stretch, concurrency: 2, keptDone: 0 },
  async (ctx: Ctx, stretch) => {
    await pushStretch(ctx, stretch);
    // Its author may have deleted it, and that may have been cleared away before this job began.
    const { userId, id } = stretch;
    const [post] = await ctx.sql`select 1 from posts where user_id = ${userId} and id = ${id}`;
    if (!post) for await (const ids of followersOf(ctx, stretch)) await removeFromTimelines(ctx, ids, id);
  },
);

async function pushStretch(ctx: Ctx, stretch: Stretch, first?: string[]): Promise<void> {
  for await (const ids of followersOf(ctx, stretch, first)) await push(ctx, ids, stretch.id);
}

/** In chunks; the next one is on its way while one is worked on. */
async function* followersOf(
  ctx: Ctx,
  { userId, after, upTo }: Pick<Stretch, "userId" | "after" | "upTo">,
  first?: string[],
): AsyncGenerator<string[]> {
  const read = (after: string | undefined) => followersAfter(ctx, userId, after, chunk, upTo ?? undefined);
  let ids = first ?? (await read(after ?? undefined));
  while (ids.length > 0) {
    const next = ids.length < chunk ? Promise.resolve([]) : read(ids.at(-1));
    // Whoever stops in between does not wait for it.
    next.catch(() => {});
    yield ids;
    ids = await next;
  }
}

/** Into their lists, and those who watch are told; they read the truth, so neither waits for the other. */
async function push(ctx: Ctx, userIds: string[], id: string): Promise<void> {
  await Promise.all([pushToTimelines(ctx, userIds, id), wakeLive(ctx, userIds)]);
}

/** Readers do not see it any more; this takes back the room, and does no harm when done twice. */
export async function withdraw(ctx: Ctx, { userId, id }: Post): Promise<void> {
  await removeFromTimelines(ctx, [userId], id);
  for await (const ids of followersOf(ctx, { userId, after: null, upTo: null }))
    await removeFromTimelines(ctx, ids, id);
}
