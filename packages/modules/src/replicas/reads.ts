// Reading from copies of the database, so that whoever wrote reads his own: a user's last position in the primary's log is kept for a
// while in Redis, and he reads from a copy only once it has come so far. Others may see what is a moment older.

import { luaScript } from "@signalbox/core/bus/script";
import { AppError } from "@signalbox/core/errors";
import { createGenerations } from "@signalbox/core/generations";
import type { Family } from "@signalbox/core/metrics";
import { onceFor } from "@signalbox/core/once-for";
import { isDatabaseAway, isReplayConflict } from "@signalbox/db";
import { ReplicaLost } from "@signalbox/db/replicas";
import type { Ctx, Deps } from "../ctx.ts";

/**
 * What may come from a copy: lists and searches that nothing is kept of. Never what is put into a cache or a timeline, which would
 * hold on to what was, nor what a change is decided by, nor live streams, which are woken by what a copy may not have yet.
 */
export type ReplicaRead =
  | "feed.home"
  | "feed.posts"
  | "feed.replies"
  | "feed.history"
  | "users.followers"
  | "users.following"
  | "users.search"
  | "notifications.list";

/** No copy that is read from can be so far behind; the setting database.replicaLagMs allows three seconds at most. */
const keptSeconds = 30;
/** He reads from the primary: where he has written nobody knows. */
const everywhere = 10n ** 20n - 1n;

const noteKey = (userId: string) => `wrote:${userId}`;
/** All of one length, so that the greater text is the greater position. */
const textOf = (position: bigint) => position.toString().padStart(20, "0");

const keepLater = luaScript(`
local known = redis.call("GET", KEYS[1])
if known and known > ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "EX", ${keptSeconds})
return 1`);

/** What a process knows by itself, and until when it trusts Redis with nobody: what others noted there may be lost. */
type Memory = {
  reads: Map<string, number>;
  wrote: ReturnType<typeof createGenerations<{ position: bigint; until: number }>>;
  blindUntil: number;
};
const memoryBy = onceFor(
  (_replicas: object): Memory => ({ reads: new Map(), wrote: createGenerations(20_000), blindUntil: 0 }),
);
const memoryOf = ({ replicas }: Pick<Deps, "replicas">) => memoryBy(replicas!);

const blind = (memory: Memory) => {
  memory.blindUntil = performance.now() + keptSeconds * 1_000;
};

/** Does a user's change, and notes how far the log is before he is answered. */
export async function noted<T>(ctx: Ctx, run: (ctx: Ctx) => T | Promise<T>): Promise<T> {
  try {
    const result = await run(ctx);
    await note(ctx, () => ctx.replicas!.position());
    return result;
  } catch (error) {
    // What failed for another reason than its caller's may have been done all the same.
    if (!(error instanceof AppError) || error.status >= 500) await note(ctx, async () => everywhere);
    throw error;
  }
}

async function note(ctx: Ctx, read: () => Promise<bigint>): Promise<void> {
  const { redis, actor } = ctx;
  if (actor.kind !== "user") return;
  const memory = memoryOf(ctx);
  const position = await read().catch(() => everywhere);
  memory.wrote.set(actor.id, { position, until: performance.now() + keptSeconds * 1_000 });
  await keepLater(redis, [noteKey(actor.id)], [textOf(position)]).catch(() => blind(memory));
}

/** Undefined: only the primary is sure to have what he wrote. */
async function positionOf(ctx: Ctx): Promise<bigint | undefined> {
  const { redis, actor } = ctx;
  if (actor.kind !== "user") return 0n;
  const memory = memoryOf(ctx);
  const own = memory.wrote.get(actor.id);
  try {
    const noted = BigInt((await redis.get(noteKey(actor.id))) ?? 0);
    if (performance.now() < memory.blindUntil) return undefined;
    return own && own.until > performance.now() && own.position > noted ? own.position : noted;
  } catch {
    blind(memory);
    return undefined;
  }
}

/** Does the reading with a ctx whose db and sql are those of a copy where there is a good one, and else as it is. */
export async function fromReplica<C extends Ctx, T>(
  ctx: C,
  what: ReplicaRead,
  read: (ctx: C) => Promise<T>,
): Promise<T> {
  const { replicas, actor } = ctx;
  if (!replicas) return read(ctx);
  const position = await positionOf(ctx);
  const replica =
    position === undefined
      ? undefined
      : replicas.having(position, actor.kind === "user" ? actor.id : ctx.address);
  const count = (from: string) => {
    const { reads } = memoryOf(ctx);
    reads.set(`${what} ${from}`, (reads.get(`${what} ${from}`) ?? 0) + 1);
  };
  const fromPrimary = () => {
    count("primary");
    return read(ctx);
  };
  if (!replica) return fromPrimary();
  const { name, db, sql, lost } = replica;
  try {
    const found = await Promise.race([read({ ...ctx, db, sql }), lost]);
    count(name);
    return found;
  } catch (error) {
    if (!isOfTheCopy(error)) throw error;
    ctx.log.debug({ error, replica: name }, "read from the primary instead of a copy");
    return fromPrimary();
  }
}

// It went away, its breaker is open, or its reading stood in the way of what was to be replayed (40001).
const isOfTheCopy = (error: unknown): boolean =>
  error instanceof ReplicaLost ||
  isDatabaseAway(error) ||
  isReplayConflict(error) ||
  (error instanceof AppError && error.code === "unavailable");

/** What a process says of it to Prometheus. */
export function replicaFamilies(deps: Pick<Deps, "replicas">): Family[] {
  if (!deps.replicas) return [];
  return [
    ...deps.replicas.families(),
    {
      name: "signalbox_replica_reads_total",
      help: "Reads that may come from a copy of the database, by where they came from.",
      type: "counter",
      samples: [...memoryOf(deps).reads].map(([key, value]) => {
        const [read = "", from = ""] = key.split(" ");
        return { labels: { read, from }, value };
      }),
    },
  ];
}
