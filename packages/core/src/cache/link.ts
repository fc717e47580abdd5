// The second level and the news of what changed: two connections to Redis of the cache's own, so that a lost Redis costs a
// read nothing (no queue, half a second at most) and so that it is known at every moment whether news would reach us.

import { AppError } from "../errors.ts";
import { newId } from "../ids.ts";
import type { Logger } from "../log.ts";
import { connectAnother, patient, type Redis, writeNow } from "../redis.ts";
import { epochsKey, newsChannel, type ValueKeys, valueKeys } from "./keys.ts";
import * as scripts from "./scripts.ts";
import { pathTo } from "./settings.ts";

/** A command gets no answer for this long, where no guard found out sooner: Redis counts as away. */
const commandTimeoutMs = 500;
const beatMs = 500;
/** Questions about so few values may be under way together, so many of them. */
const fewKeys = 8;
const mostUnderWay = 2;
/** Longer than anything that reads a value beside another one can take. */
export const cutMs = 10_000;
/** What could not be told is kept by key up to here; beyond, all of the entity is cut at once. */
const maxUnsent = 10_000;

/** Not an error of anyone's: the caller goes on without the second level. */
export class RedisAway extends Error {}

export type News = {
  /** One value changed. */
  changed(name: string, id: string): void;
  /** All values of these entities are to be forgotten. */
  allChanged(name: string): void;
  /** Something may have been missed. */
  unsure(): void;
};

export type Link = ReturnType<typeof createLink>;

/** One who asked that something be forgotten, and is told by everyone who did. */
type Asker = (instance: string) => void;

/** One who reads keys, and is told once. Of all that was found together its own begins at a place. */
export type Reader = {
  /** More may be added until they are sent. */
  readonly keys: string[];
  sent?(): void;
  take(found: (Buffer | null)[], from: number): void;
  fail(error: unknown): void;
};

export function createLink({
  redis,
  log,
  news,
  instance,
}: {
  redis: Redis;
  log: Logger;
  news: News;
  instance: string;
}) {
  const { keyPrefix = "", db = 0 } = redis.options;
  const channel = newsChannel(keyPrefix, db);
  const origin = newId();
  const epochs = new Map<string, number>();
  /** The same by entity, worked out once. */
  const reached = new Map<string, number>();
  const unsent = new Map<string, { name: string; id: string }>();
  const askers = new Map<string, Asker>();
  let gathering: Reader[] = [];
  /** Questions that Redis has not answered yet, and what they ask for. */
  let asking = 0;
  let keysAsked = 0;

  let commands: Redis | undefined;
  let subscriber: Redis | undefined;
  let usable = false;
  let listening = false;
  let recovering: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  function lose(error: unknown): void {
    if (usable) log.warn({ error }, "the cache goes on without Redis");
    usable = false;
  }

  async function ask<T>(work: (commands: Redis) => Promise<T>): Promise<T> {
    if (!usable || !commands) throw new RedisAway("Redis is away");
    try {
      return await work(commands);
    } catch (error) {
      // An answer, if only a refusal (out of memory, read-only), or not asked at all: reads may still work.
      if (!(error instanceof Error && (error.name === "ReplyError" || error instanceof AppError)))
        lose(error);
      throw new RedisAway("Redis did not do it", { cause: error });
    }
  }

  /**
   * What comes while Redis answers goes with the next question. The busier this process is, the more of its reads share a command, and
   * each command costs a read of the socket, a write and a look at Redis. While few are asked for, nobody waits for an answer to others.
   */
  const mayAsk = () => asking === 0 || (asking < mostUnderWay && keysAsked < fewKeys);

  function readGathered(): void {
    if (gathering.length === 0 || !mayAsk()) return;
    const asked = gathering;
    gathering = [];
    for (const reader of asked) reader.sent?.();
    const keys = asked.length === 1 ? asked[0]!.keys : asked.flatMap(({ keys }) => keys);
    asking += 1;
    keysAsked += keys.length;
    // Bytes: most of them only say that nothing has changed.
    const read = (commands: Redis): Promise<(Buffer | null)[]> =>
      // A Cluster keeps them in different places.
      commands.isCluster
        ? Promise.all(keys.map((key) => commands.getBuffer(key)))
        : commands.mgetBuffer(keys);
    const answered = ask(read);
    if (commands) writeNow(commands);
    answered
      .then(
        (found) => {
          let from = 0;
          for (const reader of asked) {
            reader.take(found, from);
            from += reader.keys.length;
          }
        },
        (error) => {
          for (const reader of asked) reader.fail(error);
        },
      )
      .then(() => {
        asking -= 1;
        keysAsked -= keys.length;
        // At the end of the turn, so that whatever else has come with the answer goes along.
        if (gathering.length > 0) setImmediate(readGathered);
      });
  }

  /** Together with whatever else is read in this moment. */
  function read(reader: Reader): void {
    if (gathering.push(reader) === 1 && mayAsk()) setImmediate(readGathered);
  }

  /** Before anything is read there again: since when values count, and what we could not tell meanwhile. */
  async function recover(): Promise<void> {
    const redis = commands;
    if (!redis || closed) return;
    for (const [name, epoch] of Object.entries(await redis.hgetall(epochsKey)))
      adoptEpoch(name, Number(epoch));
    for (const name of epochs.keys()) await raise(redis, name);
    for (const [key, { name, id }] of unsent) {
      // Taken off first: the same value may be written again while this is under way, and is then told again.
      unsent.delete(key);
      await cutNow(redis, name, id).catch((error) => {
        unsent.set(key, { name, id });
        throw error;
      });
    }
    if (!usable) log.info("the cache has Redis");
    usable = true;
  }

  const tryRecover = () => {
    recovering ??= recover()
      .catch((error) => log.debug({ error }, "the cache can not use Redis yet"))
      .finally(() => {
        recovering = undefined;
      });
    return recovering;
  };

  function adoptEpoch(name: string, epoch: number): void {
    if ((epochs.get(name) ?? 0) >= epoch) return;
    epochs.set(name, epoch);
    reached.clear();
    news.allChanged(name);
  }

  const raise = (redis: Redis, name: string, ask?: string) => {
    const epoch = epochs.get(name) ?? 0;
    const told = JSON.stringify(["all", origin, name, epoch, ask]);
    return scripts.raise(redis, [epochsKey], [name, epoch, channel, told]);
  };

  const cutNow = (redis: Redis, name: string, id: string, ask?: string) => {
    const { value, lease, cut } = valueKeys(name, id);
    const told = JSON.stringify(["one", origin, name, id, ask]);
    return scripts.cut(redis, [value, lease, cut], [channel, told, cutMs]);
  };

  function hear(text: string): void {
    const [kind, from, name, detail, ask] = JSON.parse(text);
    if (kind === "done") askers.get(name)?.(detail);
    else if (kind === "all") adoptEpoch(name, detail);
    // Its own words a process has acted on already, and it may hold something newer by now.
    else if (from !== origin) news.changed(name, detail);
    if (ask) commands?.publish(channel, JSON.stringify(["done", origin, ask, instance])).catch(() => {});
  }

  function deaf(): void {
    listening = false;
  }

  function openSubscriber(): Redis {
    const opened = connectAnother(redis, patient);
    opened.on("message", (_channel: string, text: string) => hear(text));
    opened.on("close", deaf);
    // What was said while the connection was lost is gone.
    opened.on("ready", () => {
      opened.subscribe(channel).then(
        () => {
          news.unsure();
          listening = true;
        },
        () => {},
      );
    });
    return opened;
  }

  function openCommands(): Redis {
    const opened = connectAnother(redis, {
      commandTimeout: commandTimeoutMs,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
    });
    opened.on("close", () => lose(new Error("the connection was closed")));
    opened.on("ready", () => void tryRecover());
    return opened;
  }

  /** A connection that hangs says nothing by itself. */
  async function beat(): Promise<void> {
    if (usable) await ask((commands) => commands.ping()).catch(() => {});
    else if (commands?.status === "ready") await tryRecover();
    if (listening && subscriber && !subscriber.isCluster && !(await answers(subscriber))) {
      deaf();
      subscriber.disconnect(true);
    }
  }

  function plan(): void {
    if (closed) return;
    timer = setTimeout(() => void beat().finally(plan), beatMs);
    timer.unref();
  }

  return {
    origin,
    channel,
    get usable() {
      return usable;
    },
    get listening() {
      return listening;
    },
    get unsent() {
      return unsent.size;
    },
    /** Since when values of this entity count. */
    epochOf(name: string): number {
      let epoch = reached.get(name);
      if (epoch === undefined) {
        epoch = Math.max(...pathTo(name).map((key) => epochs.get(key) ?? 0));
        reached.set(name, epoch);
      }
      return epoch;
    },

    read,

    get: (key: string): Promise<string | null> =>
      new Promise((resolve, reject) =>
        read({
          keys: [key],
          take: (found, from) => resolve(found[from]?.toString() ?? null),
          fail: reject,
        }),
      ),

    async acquire(
      { value, lease }: ValueKeys,
      { token, leaseMs, tag, now, force }: Acquire,
    ): Promise<{ text: string; leased: boolean }> {
      const [text, leased] = (await ask((commands) =>
        scripts.acquire(commands, [value, lease], [token, leaseMs, tag, now, force ? 1 : 0]),
      )) as [string, number];
      return { text, leased: leased === 1 };
    },

    fill: async ({ value, lease }: ValueKeys, token: string, text: string, keepMs: number) =>
      (await ask((commands) => scripts.fill(commands, [value, lease], [token, text, keepMs]))) === 1,

    release: ({ lease }: ValueKeys, token: string) =>
      ask((commands) => scripts.release(commands, [lease], [token])),

    /** Takes the lease from whoever has it: for a writer, whose value will be newer than any that is being read. */
    reserve: ({ lease }: ValueKeys, token: string, leaseMs: number) =>
      ask((commands) => commands.set(lease, token, "PX", leaseMs)),

    put: async (name: string, id: string, token: string, text: string, keepMs: number) => {
      const { value, lease, cut } = valueKeys(name, id);
      const told = JSON.stringify(["one", origin, name, id]);
      return (
        (await ask((commands) =>
          scripts.put(commands, [value, lease, cut], [token, text, keepMs, channel, told, cutMs]),
        )) === 1
      );
    },

    seed: ({ value, lease, cut }: ValueKeys, tag: string, text: string, keepMs: number) =>
      ask((commands) => scripts.seed(commands, [value, lease, cut], [text, keepMs, tag, Date.now()])),

    /** Never fails: what Redis can not be told now it is told before it is read from again. */
    async cut(name: string, id: string, asking?: string): Promise<void> {
      try {
        await ask((commands) => cutNow(commands, name, id, asking));
      } catch (error) {
        lose(error);
        if (unsent.size < maxUnsent) unsent.set(`${name} ${id}`, { name, id });
        else await this.cutAll(name);
      }
    },

    async cutAll(name: string, asking?: string): Promise<void> {
      adoptEpoch(name, Math.max(Date.now(), (epochs.get(name) ?? 0) + 1));
      try {
        await ask((commands) => raise(commands, name, asking));
      } catch (error) {
        // Told on recovery, with all the others.
        lose(error);
      }
    },

    /** Does it under a name that everyone answers to who has done it too; `heard` is told of each. */
    async asking(work: (ask: string) => Promise<void>, heard: Asker, until: Promise<void>): Promise<void> {
      const name = newId();
      askers.set(name, heard);
      try {
        await work(name);
        await until;
      } finally {
        askers.delete(name);
      }
    },

    async start(patienceMs: number): Promise<void> {
      commands = openCommands();
      subscriber = openSubscriber();
      plan();
      for (const end = Date.now() + patienceMs; !(usable && listening) && Date.now() < end; )
        await new Promise((resolve) => setTimeout(resolve, 5));
    },

    close(): void {
      closed = true;
      clearTimeout(timer);
      commands?.disconnect();
      subscriber?.disconnect();
      usable = false;
      listening = false;
    },
  };
}

export type Acquire = { token: string; leaseMs: number; tag: string; now: number; force: boolean };

async function answers(redis: Redis): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, commandTimeoutMs, false);
  });
  const answered = redis.ping().then(
    () => true,
    () => false,
  );
  const result = await Promise.race([answered, late]);
  clearTimeout(timer);
  return result;
}
