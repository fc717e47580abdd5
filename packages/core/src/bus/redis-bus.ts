// The bus on Redis Streams. Positions are ours, not a consumer group's: a worker that was stopped for a while and wakes up
// late can then take nothing away from its successor, and what it still wants to say about its position is refused.

import { hostname } from "node:os";
import type { Logger } from "../log.ts";
import type { Redis } from "../redis.ts";
import { fullJitter, pause } from "./backoff.ts";
import type { Bus, BusEvent, BusStore, ConsumeOptions, Handler, PartitionLag, Progress } from "./bus.ts";
import { isCluster, type Link, link } from "./connection.ts";
import { decodeEvent } from "./envelope.ts";
import { busKeys, defaultPartitions } from "./keys.ts";
import { createLane, type Lane, type LaneEvent } from "./lane.ts";
import { type Lease, leaseMs, leases, ownerOf } from "./leases.ts";
import { isRedisAway } from "./redis-faults.ts";
import { luaScript } from "./script.ts";
import { beginning, isAfter } from "./stream-id.ts";

export type RedisBusOptions = {
  url: string;
  log: Logger;
  store: BusStore;
  /** Unique among live workers. */
  worker?: string;
  prefix?: string;
  partitions?: number;
};

/** How far a group is in a partition, kept beside the stream. */
export type Cursor = { epoch: string; head: string; pending: string[]; safeAt: number };

const tickMs = 400;
const commitMs = 40;
const progressMs = 2_000;
const readCount = 256;
const blockMs = 2_000;
const lingerMs = 3_000;

// Kept only while the lease is ours.
const commit = luaScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 1
`);

// Whoever holds the partition loses it in the same step, and cannot put the old place back.
const moveCursor = luaScript(`
redis.call('DEL', KEYS[1])
return redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
`);

const countAfter = luaScript(`
local entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', 10000)
return {#entries, entries[1] and entries[1][2][2] or false}
`);

type Subscription = { group: string; handler: Handler; options: Required<ConsumeOptions> };

type Holding = {
  subscription: Subscription;
  lease: Lease;
  leasedUntil: number;
  epoch: string | undefined;
  lane: Lane | undefined;
  stopping: boolean;
  saved: string;
};

export function createRedisBus(options: RedisBusOptions): Bus {
  const { url, log, store, partitions = defaultPartitions } = options;
  const worker = options.worker ?? `${hostname()}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const keys = busKeys(options.prefix);
  const subscriptions = new Map<string, Subscription>();
  const stop = new AbortController();
  let session: Session | undefined;
  let running: Promise<void> | undefined;
  let asking: Promise<Link> | undefined;
  // Handlers that still ran when their partition was let go: whoever takes it up in this process waits for them.
  const lingering = new Map<string, Promise<void>>();

  async function run() {
    for (let attempt = 0; !stop.signal.aborted; attempt++) {
      const began = Date.now();
      try {
        session = await openSession({
          url,
          log,
          store,
          partitions,
          worker,
          keys,
          subscriptions,
          lingering,
        });
        await session.over;
      } catch (error) {
        if (!stop.signal.aborted) log.warn({ error }, "the bus lost Redis; connecting again");
      } finally {
        await session?.abandon();
        session = undefined;
      }
      if (Date.now() - began > 10_000) attempt = 0;
      await pause(50 + fullJitter(attempt, { baseMs: 50, limitMs: 1_000 }), stop.signal);
    }
  }

  /** A connection for questions, kept between them. */
  async function ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    const current = await asking?.catch(() => undefined);
    if (!current || current.isBroken()) asking = link(url, { name: "signalbox bus questions" });
    return question((await asking!).redis);
  }

  async function cursorOf(redis: Redis, group: string, partition: number): Promise<Cursor | undefined> {
    const text = await redis.hget(keys.cursors(partition), group);
    return text === null ? undefined : (JSON.parse(text) as Cursor);
  }

  async function lagOf(redis: Redis, group: string, partition: number): Promise<PartitionLag> {
    const epochs = await redis.lrange(keys.epochs, 0, -1);
    const cursor = await cursorOf(redis, group, partition);
    const from = cursor ? Math.max(0, epochs.indexOf(cursor.epoch)) : 0;
    let events = cursor?.pending.length ?? 0;
    let oldest: string | undefined;
    if (cursor?.pending[0]) {
      const [entry] = await redis.xrange(
        keys.stream(partition, cursor.epoch),
        cursor.pending[0],
        cursor.pending[0],
      );
      oldest = entry?.[1][1];
    }
    for (const epoch of epochs.slice(from)) {
      const head = cursor?.epoch === epoch ? cursor.head : beginning;
      const [count, first] = (await countAfter(redis, [keys.stream(partition, epoch)], [head])) as [
        number,
        string | null,
      ];
      events += count;
      oldest ??= first ?? undefined;
    }
    const oldestMs = oldest === undefined ? 0 : Math.max(0, Date.now() - Date.parse(decodeEvent(oldest).at));
    return { partition, events: Math.min(events, 10_000), oldestMs };
  }

  const everyPartition = <T>(work: (partition: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: partitions }, (_, partition) => work(partition)));

  return {
    consume(group, handler, given = {}) {
      if (subscriptions.has(group)) throw new Error(`the group ${group} is already consumed in this process`);
      subscriptions.set(group, {
        group,
        handler,
        options: {
          concurrency: given.concurrency ?? 32,
          attempts: given.attempts ?? 8,
          backoff: given.backoff ?? { baseMs: 200, limitMs: 30_000 },
          isAway: (error) => isRedisAway(error) || (given.isAway?.(error) ?? false),
        },
      });
      running ??= run();
      session?.nudge();
      return {
        async stop(limitMs = 8_000) {
          subscriptions.delete(group);
          await session?.letGo(group, limitMs);
        },
      };
    },

    lag: (group) => ask((redis) => everyPartition((partition) => lagOf(redis, group, partition))),

    rewind: (group, to) =>
      ask(async (redis) => {
        const counts = await everyPartition((partition) =>
          rewindPartition(redis, keys, group, partition, to),
        );
        await redis.publish(keys.released, group);
        return { events: counts.reduce((sum, count) => sum + count, 0) };
      }),

    held: () => session?.held() ?? {},

    async close(limitMs = 8_000) {
      const current = session;
      const groups = [...subscriptions.keys()];
      subscriptions.clear();
      stop.abort();
      if (current) await Promise.all(groups.map((group) => current.letGo(group, limitMs)));
      await session?.abandon();
      await running;
      await asking?.then((it) => it.close()).catch(() => {});
    },
  };
}

type Session = {
  /** Rejects or resolves when one of its connections broke. */
  over: Promise<unknown>;
  nudge(): void;
  letGo(group: string, limitMs: number): Promise<void>;
  held(): Record<string, number[]>;
  abandon(): Promise<void>;
};

async function openSession(given: {
  url: string;
  log: Logger;
  store: BusStore;
  partitions: number;
  worker: string;
  keys: ReturnType<typeof busKeys>;
  subscriptions: Map<string, Subscription>;
  lingering: Map<string, Promise<void>>;
}): Promise<Session> {
  const { url, log, store, partitions, worker, keys, subscriptions, lingering } = given;
  const links: Link[] = [];
  const ended = new AbortController();
  const open = async (name: string, blocking = false) => {
    const made = await link(url, { name: `signalbox bus ${name}`, blocking });
    links.push(made);
    made.broken.then((error) => endSession(error));
    return made;
  };
  let endSession: (error: unknown) => void = () => {};
  const over = new Promise<unknown>((_, reject) => {
    endSession = reject;
  });
  over.catch(() => {});

  const { redis } = await open("commands");
  const lease = leases(redis, keys, worker);
  const holdings = new Map<string, Holding>();
  const slotOf = (group: string, partition: number) => `${group} ${partition}`;
  let epochs: string[] = [];
  let lastTick = 0;
  let ticking: Promise<void> | undefined;
  let again = false;
  let commitTimer: NodeJS.Timeout | undefined;
  let someWereFull = false;

  // ---- leases

  async function tick() {
    const began = performance.now();
    epochs = await redis.lrange(keys.epochs, 0, -1);
    await renewAll(began);
    await Promise.all(
      [...subscriptions.values()].map(async (subscription) => {
        const { group } = subscription;
        const members = await lease.join(group);
        for (let partition = 0; partition < partitions; partition++) {
          const mine = ownerOf(group, partition, members) === worker;
          const holding = holdings.get(slotOf(group, partition));
          if (mine && !holding) await start(subscription, partition);
          // Whose turn it is now waits until we are through with what we began.
          else if (!mine && holding && !holding.stopping) void finish(holding, 5_000);
        }
      }),
    );
    for (const holding of holdings.values()) if (holding.lane?.isIdle) await moveToNextEpoch(holding);
    lastTick = performance.now();
  }

  async function renewAll(began: number) {
    const byPartition = Map.groupBy(holdings.values(), ({ lease }) => lease.partition);
    await Promise.all(
      [...byPartition.values()].map(async (held) => {
        const kept = await lease.renew(held.map((holding) => holding.lease));
        for (const [at, holding] of held.entries()) {
          if (kept[at]) holding.leasedUntil = began + leaseMs;
          else drop(holding, "its lease was lost");
        }
      }),
    );
  }

  function nudge() {
    if (ended.signal.aborted) return;
    if (ticking) {
      again = true;
      return;
    }
    ticking = tick()
      .catch(endSession)
      .finally(() => {
        ticking = undefined;
        if (again) {
          again = false;
          nudge();
        }
      });
  }

  async function start(subscription: Subscription, partition: number) {
    const { group } = subscription;
    const began = performance.now();
    const got = await lease.acquire(group, partition);
    if (!got) return;
    const holding: Holding = {
      subscription,
      lease: got,
      leasedUntil: began + leaseMs,
      epoch: undefined,
      lane: undefined,
      stopping: false,
      saved: "",
    };
    holdings.set(slotOf(group, partition), holding);
    void begin(holding).catch((error) => {
      drop(holding, "it could not begin");
      if (isRedisAway(error)) endSession(error);
      else log.warn({ error, group, partition }, "a partition could not be taken up; trying again");
    });
  }

  /** Takes up where the last one stopped: what was under way first, then what is new. */
  async function begin(holding: Holding) {
    const { subscription, lease: mine } = holding;
    const { group, partition } = mine;
    await lingering.get(slotOf(group, partition));
    const parked = await untilAnswered(holding, () => store.open(group, partition));
    if (!parked || !isHeld(holding)) return;
    const text = await redis.hget(keys.cursors(partition), group);
    const cursor = text === null ? undefined : (JSON.parse(text) as Cursor);
    while (epochs.length === 0 && isHeld(holding)) {
      await pause(100, ended.signal);
      epochs = await redis.lrange(keys.epochs, 0, -1);
    }
    if (!isHeld(holding)) return;
    const isKnown =
      cursor &&
      (epochs.includes(cursor.epoch) || (await redis.exists(keys.stream(partition, cursor.epoch))) === 1);
    const at: Cursor = isKnown ? cursor : { epoch: epochs[0]!, head: beginning, pending: [], safeAt: 0 };
    holding.epoch = at.epoch;
    const lane = createLane({
      group,
      partition,
      handler: subscription.handler,
      store,
      parked,
      head: at.head,
      safeAt: at.safeAt,
      mayWork: () => isHeld(holding),
      onProgress: commitSoon,
      onTrouble: ({ kind, event, attempt, error }) => {
        const line = {
          group,
          partition,
          eventId: event.id,
          topic: event.topic,
          key: event.key,
          requestId: event.requestId,
          traceparent: event.traceparent,
          attempt,
          ...(error === undefined ? {} : { error }),
        };
        if (kind === "dead") log.error(line, "an event became a dead letter; its key waits for a replay");
        else if (kind === "replay failed") log.error(line, "a dead letter failed again");
        else if (kind === "failed") log.warn(line, "an event failed; it is tried again");
        else if (kind === "replayed") log.info(line, "a letter was replayed");
        else if (kind === "parked") log.debug(line, "an event waits behind a dead letter");
        else log.debug(line, "an event waits for a part that is away");
      },
      options: subscription.options,
    });
    const left: LaneEvent[] = [];
    for (const id of at.pending) {
      const [entry] = await redis.xrange(keys.stream(partition, at.epoch), id, id);
      if (entry) left.push(readEntry(entry));
    }
    lane.resume(left);
    holding.lane = lane;
    // From now on trimming knows this group.
    await commitOne(holding);
    wakeReaders();
  }

  async function untilAnswered<T>(holding: Holding, work: () => Promise<T>): Promise<T | undefined> {
    for (let attempt = 0; isHeld(holding); attempt++) {
      try {
        return await work();
      } catch (error) {
        log.warn({ error, ...holding.lease }, "the database is needed to take up a partition; trying again");
        await pause(fullJitter(attempt, { baseMs: 100, limitMs: 2_000 }) + 50, ended.signal);
      }
    }
    return undefined;
  }

  const isHeld = (holding: Holding) =>
    !ended.signal.aborted && !holding.stopping && performance.now() < holding.leasedUntil;

  /** The lease is gone or not to be trusted: nothing more is started, and nothing said about the position. */
  function drop(holding: Holding, why: string) {
    const { group, partition } = holding.lease;
    if (holdings.get(slotOf(group, partition)) !== holding) return;
    holding.stopping = true;
    holdings.delete(slotOf(group, partition));
    const stopped = holding.lane?.stop(lingerMs);
    if (stopped) lingering.set(slotOf(group, partition), stopped);
    log.debug({ group, partition, why }, "a partition was let go");
  }

  async function finish(holding: Holding, limitMs: number) {
    holding.stopping = true;
    const { group, partition } = holding.lease;
    await holding.lane?.stop(limitMs);
    if (holding.lane && holdings.get(slotOf(group, partition)) === holding) await commitOne(holding);
    await lease.release(holding.lease);
    holdings.delete(slotOf(group, partition));
    await redis.publish(keys.released, group);
  }

  async function moveToNextEpoch(holding: Holding) {
    const { lane, epoch, lease: mine } = holding;
    const next = epoch === undefined ? undefined : epochs[epochs.indexOf(epoch) + 1];
    if (!lane || next === undefined || epoch === undefined) return;
    const [count] = (await countAfter(redis, [keys.stream(mine.partition, epoch)], [lane.head])) as [number];
    if (count > 0 || !lane.isIdle) return;
    const cursor: Cursor = {
      epoch: next,
      head: beginning,
      pending: [],
      safeAt: lane.position().safeAt,
    };
    await lane.stop(0);
    const kept = await commit(
      redis,
      [keys.lease(mine.partition, mine.group), keys.cursors(mine.partition)],
      [mine.token, mine.group, JSON.stringify(cursor)],
    );
    if (kept !== 1) return drop(holding, "its lease was lost");
    holding.lane = undefined;
    await begin(holding);
  }

  // ---- positions

  function commitSoon() {
    commitTimer ??= setTimeout(() => {
      commitTimer = undefined;
      void Promise.all([...holdings.values()].filter(({ lane }) => lane?.isDirty).map(commitOne)).catch(
        endSession,
      );
      if (someWereFull) wakeReaders();
    }, commitMs);
  }

  async function commitOne(holding: Holding) {
    const { lane, epoch, lease: mine } = holding;
    if (!lane || epoch === undefined) return;
    const cursor: Cursor = { epoch, ...lane.positionToKeep() };
    const kept = await commit(
      redis,
      [keys.lease(mine.partition, mine.group), keys.cursors(mine.partition)],
      [mine.token, mine.group, JSON.stringify(cursor)],
    );
    if (kept !== 1) drop(holding, "its lease was lost");
  }

  // How far a group is is told to Postgres too, where it outlives Redis.
  async function tellProgress() {
    const rows: Progress[] = [];
    for (const holding of holdings.values()) {
      if (!holding.lane || holding.epoch === undefined) continue;
      const { head, pending, safeAt } = holding.lane.position();
      const lastId = pending[0] ? before(pending[0]) : head;
      const { group, partition } = holding.lease;
      const stream = keys.stream(partition, holding.epoch);
      const row = { group, partition, stream, lastId, safeAt };
      const saved = JSON.stringify(row);
      if (saved === holding.saved) continue;
      holding.saved = saved;
      rows.push(row);
    }
    if (rows.length > 0) await store.saveProgress(rows);
    for (const { group, partition, key } of await store.replayRequests())
      holdings.get(slotOf(group, partition))?.lane?.replay(key);
  }

  // ---- reading

  const readers: { wake(): void }[] = [];
  const wakeReaders = () => {
    for (const reader of readers) reader.wake();
  };

  async function readFrom(covers: (partition: number) => boolean, waitMs: number) {
    const blocking = await open("reads", true);
    const number = waitMs < blockMs ? undefined : await blocking.redis.client("ID");
    let isBlocked = false;
    let rest: (() => void) | undefined;
    readers.push({
      wake() {
        rest?.();
        if (!isBlocked || number === undefined) return;
        isBlocked = false;
        redis.client("UNBLOCK", number).catch(() => {});
      },
    });
    while (!ended.signal.aborted) {
      // Groups at the same place share one read, and one decoding.
      const wanted = new Map<string, { stream: string; head: string; holdings: Holding[] }>();
      someWereFull = false;
      for (const holding of holdings.values()) {
        const { lane, epoch, lease: mine } = holding;
        if (!lane || epoch === undefined || !isHeld(holding) || !covers(mine.partition)) continue;
        if (lane.isFull) {
          someWereFull = true;
          continue;
        }
        const stream = keys.stream(mine.partition, epoch);
        const place = `${stream} ${lane.head}`;
        const known = wanted.get(place);
        if (known) known.holdings.push(holding);
        else wanted.set(place, { stream, head: lane.head, holdings: [holding] });
      }
      const places = [...wanted.values()];
      if (places.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 200);
          rest = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        rest = undefined;
        continue;
      }
      isBlocked = true;
      const found = await answered(blocking, waitMs, () =>
        blocking.redis.xread(
          "COUNT",
          readCount,
          "BLOCK",
          waitMs,
          "STREAMS",
          ...places.map(({ stream }) => stream),
          ...places.map(({ head }) => head),
        ),
      );
      isBlocked = false;
      let at = 0;
      for (const [stream, entries] of found ?? []) {
        const first = entries[0]?.[0];
        if (first === undefined) continue;
        // Answers keep the order of the question and leave out places with nothing new.
        while (at < places.length && !(places[at]!.stream === stream && isAfter(first, places[at]!.head)))
          at++;
        const place = places[at++];
        if (!place) continue;
        const events = entries.map(readEntry);
        for (const holding of place.holdings)
          if (holding.lane?.head === place.head && isHeld(holding)) holding.lane.take(events);
      }
      commitSoon();
    }
  }

  /** A server that is gone without a word leaves a blocked read waiting for ever. */
  async function answered<T>(blocking: Link, waitMs: number, read: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => blocking.close(), waitMs + 5_000);
    try {
      return await read();
    } finally {
      clearTimeout(timer);
    }
  }

  // ---- start and end

  const timers = [
    setInterval(nudge, tickMs),
    setInterval(() => {
      if (performance.now() - lastTick > 3 * leaseMs)
        log.warn("leases are renewed late; is this process starved?");
      tellProgress().catch((error) => log.debug({ error }, "progress could not be told to the database"));
    }, progressMs),
  ];

  async function abandon() {
    if (ended.signal.aborted) return;
    for (const holding of [...holdings.values()]) drop(holding, "the session ended");
    ended.abort();
    for (const timer of timers) clearInterval(timer);
    clearTimeout(commitTimer);
    for (const each of links) each.close();
    endSession(new Error("the session ended"));
  }

  try {
    const listener = await open("nudges", true);
    listener.redis.on("message", nudge);
    await listener.redis.subscribe(keys.released);
    // In a cluster one command cannot read partitions that live on different servers.
    const reads = isCluster(url)
      ? Array.from({ length: partitions }, (_, partition) => readFrom((it) => it === partition, 250))
      : [readFrom(() => true, blockMs)];
    for (const read of reads) read.catch(endSession);
    nudge();
  } catch (error) {
    await abandon();
    throw error;
  }

  return {
    over,
    nudge,
    async letGo(group, limitMs) {
      await ticking;
      const held = [...holdings.values()].filter((holding) => holding.lease.group === group);
      try {
        await lease.leave(group);
        await Promise.all(held.map((holding) => finish(holding, limitMs)));
        await tellProgress().catch(() => {});
      } catch (error) {
        log.debug({ error, group }, "leases could not be given back; they run out by themselves");
      }
    },
    held() {
      const answer: Record<string, number[]> = {};
      for (const { lease: mine, lane } of holdings.values()) {
        if (!lane) continue;
        answer[mine.group] ??= [];
        answer[mine.group]!.push(mine.partition);
      }
      return answer;
    },
    abandon,
  };
}

function readEntry([id, fields]: [id: string, fields: string[]]): LaneEvent {
  const [, text = "", , safeAt = "0"] = fields;
  return { id, safeAt: Number(safeAt), event: decodeEvent(text) };
}

/** The largest id below this one, for saying "everything before it is handled". */
function before(id: string): string {
  const [lsn = "0", n = "0"] = id.split("-");
  if (n !== "0") return `${lsn}-${BigInt(n) - 1n}`;
  return lsn === "0" ? beginning : `${BigInt(lsn) - 1n}-18446744073709551615`;
}

async function rewindPartition(
  redis: Redis,
  keys: ReturnType<typeof busKeys>,
  group: string,
  partition: number,
  to: { at: Date } | { id: string },
): Promise<number> {
  const epochs = await redis.lrange(keys.epochs, 0, -1);
  const isFrom = (event: BusEvent) =>
    "at" in to ? Date.parse(event.at) >= to.at.getTime() : event.id === to.id;
  let events = 0;
  let cursor: Cursor | undefined;
  for (const epoch of epochs) {
    const stream = keys.stream(partition, epoch);
    let from = "-";
    for (;;) {
      const page = await redis.xrange(stream, from, "+", "COUNT", 1_000);
      for (const [id, [, text = "{}"]] of page) {
        if (!cursor && isFrom(decodeEvent(text)))
          cursor = { epoch, head: before(id), pending: [], safeAt: 0 };
        if (cursor) events += 1;
      }
      if (page.length < 1_000) break;
      from = `(${page.at(-1)![0]}`;
    }
  }
  if (!cursor) return 0;
  await moveCursor(
    redis,
    [keys.lease(partition, group), keys.cursors(partition)],
    [group, JSON.stringify(cursor)],
  );
  return events;
}
