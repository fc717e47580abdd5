// One spell with Redis: takes partitions up under leases, keeps positions, and ends whole when one of its connections breaks.

import type { Logger } from "../log.ts";
import { fullJitter, pause } from "./backoff.ts";
import type { BusStore, Progress } from "./bus.ts";
import { isCluster, type Link, link } from "./connection.ts";
import { before, type Cursor, commitCursors, countAfter, readCursor } from "./cursor.ts";
import type { Holding, Subscription } from "./holding.ts";
import type { BusKeys } from "./keys.ts";
import { createLane, type LaneEvent } from "./lane.ts";
import { leaseMs, leases, ownerOf } from "./leases.ts";
import { isRedisAway } from "./redis-faults.ts";
import { beginning } from "./stream-id.ts";
import { blockMs, createStreamReader, readEntry } from "./stream-reader.ts";

const tickMs = 400;
const commitMs = 40;
const progressMs = 2_000;
const lingerMs = 3_000;

export type Session = {
  /** Rejects or resolves when one of its connections broke. */
  over: Promise<unknown>;
  nudge(): void;
  letGo(group: string, limitMs: number): Promise<void>;
  held(): Record<string, number[]>;
  abandon(): Promise<void>;
};

export async function openSession(given: {
  url: string;
  log: Logger;
  store: BusStore;
  partitions: number;
  worker: string;
  keys: BusKeys;
  subscriptions: Map<string, Subscription>;
  lingering: Map<string, Promise<void>>;
  isCanary: (group: string, partition: number) => boolean;
}): Promise<Session> {
  const { url, log, store, partitions, worker, keys, subscriptions, lingering, isCanary } = given;
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
          const mine = ownerOf(group, partition, members, isCanary(group, partition)) === worker;
          const holding = holdings.get(slotOf(group, partition));
          if (mine && !holding) await start(subscription, partition);
          // Whose turn it is now waits until we are through with what we began.
          else if (!mine && holding && !holding.stopping) void finish(holding, 5_000);
        }
      }),
    );
    for (const holding of holdings.values()) if (holding.lane?.isIdle) await moveToNextEpoch(holding);
    goOnAfterSwitch();
    lastTick = performance.now();
  }

  let off = "";
  /** What was switched on since the last look goes on at once. */
  function goOnAfterSwitch() {
    const now = [...subscriptions.values()].flatMap(({ group, options }) => (options.isOff() ? [group] : []));
    if (now.join() === off) return;
    off = now.join();
    log.info({ off: now }, "consumers that are switched off");
    for (const { lane } of holdings.values()) lane?.goOn();
    reader.wake();
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
    const cursor = await readCursor(redis, keys, group, partition);
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
      mayWork: () => isHeld(holding) && !subscription.options.isOff(),
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
    reader.wake();
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
    const [isKept] = await commitCursors(redis, keys, [{ lease: mine, cursor }]);
    if (!isKept) return drop(holding, "its lease was lost");
    holding.lane = undefined;
    await begin(holding);
  }

  // ---- positions

  function commitSoon() {
    commitTimer ??= setTimeout(() => {
      commitTimer = undefined;
      const dirty = [...holdings.values()].filter(({ lane }) => lane?.isDirty);
      const byPartition = Map.groupBy(dirty, ({ lease }) => lease.partition);
      void Promise.all([...byPartition.values()].map(commitAll)).catch(endSession);
      reader.wakeIfSomeWereFull();
    }, commitMs);
  }

  const commitOne = (holding: Holding) => commitAll([holding]);

  /** Of one partition. */
  async function commitAll(held: Holding[]) {
    const places = held.flatMap((holding) => {
      const { lane, epoch, lease } = holding;
      return lane && epoch !== undefined
        ? [{ holding, lease, cursor: { epoch, ...lane.positionToKeep() } satisfies Cursor }]
        : [];
    });
    if (places.length === 0) return;
    const kept = await commitCursors(redis, keys, places);
    for (const [at, { holding }] of places.entries()) if (!kept[at]) drop(holding, "its lease was lost");
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

  const reader = createStreamReader({
    redis,
    keys,
    openBlocking: () => open("reads", true),
    holdings,
    isHeld,
    ended: ended.signal,
    onRead: commitSoon,
  });

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
      ? Array.from({ length: partitions }, (_, partition) => reader.readFrom((it) => it === partition, 250))
      : [reader.readFrom(() => true, blockMs)];
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
