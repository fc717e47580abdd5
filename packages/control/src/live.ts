// The copy of the settings that this process decides by: the last document that parsed. Reading it never waits. It comes by four
// ways (push through Redis, a poll of Postgres, a signed file, a local override file), and none of them being away takes it back.

import { listen } from "@signalbox/core/listen";
import type { Logger } from "@signalbox/core/log";
import type { Redis } from "@signalbox/core/redis";
import type { Sql } from "@signalbox/db";
import { emptyHead } from "./chain.ts";
import { createOverrideReader, noOverride, readSnapshot, writeSnapshot } from "./disk.ts";
import { compile, type Rules } from "./evaluate.ts";
import { emptyDocument } from "./fold.ts";
import { type ControlLog, createControlLog } from "./log.ts";
import { type Confirmation, controlKeys, push } from "./push.ts";
import { createSeal, type Sealed } from "./seal.ts";
import { type Settings, type SettingsInput, settingsSchema } from "./settings.ts";

export type LiveStatus = {
  revision: number;
  /** The hash of the event at this revision: what the log must still say. */
  head: string;
  source: "defaults" | "snapshot" | "push" | "poll" | "own change";
  /** Keys that the local override file decides here, whatever the log says. */
  overridden: string[];
  /** Which ways to news are open at this moment. */
  paths: { push: boolean; poll: boolean };
};

export type Live = {
  current(): Settings;
  /** The same settings made ready for questions in a request. */
  rules(): Rules;
  readonly revision: number;
  status(): LiveStatus;
  onChange(listener: (status: LiveStatus) => void): () => void;
  /** A change that this process made itself: in force here at once, and pushed to the others. */
  announce(folded: Sealed): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
};

export type LiveDeps = {
  log: Logger;
  sql: Sql;
  redis: Redis;
  secret: string | Buffer;
  dataDir: string;
  instance: { id: string };
  controlLog?: ControlLog;
  /** Keeps installs that share a Redis apart. */
  prefix?: string;
  pollMs?: number;
  reportMs?: number;
  overrideMs?: number;
};

// How long a start waits for Postgres and Redis before it goes on with what is on disk.
const patienceMs = 1_500;

export function createLive(deps: LiveDeps): Live {
  const { log, redis, dataDir, instance, prefix } = deps;
  const { pollMs = 2_000, reportMs = 2_000, overrideMs = 1_000 } = deps;
  const controlLog = deps.controlLog ?? createControlLog(deps.sql);
  const seal = createSeal(deps.secret);
  const keys = controlKeys(prefix);
  const listeners = new Set<(status: LiveStatus) => void>();
  const readOverride = createOverrideReader(dataDir);
  const timers = new Set<NodeJS.Timeout>();

  let base: Sealed = { head: emptyHead, document: emptyDocument, at: 0 };
  let source: LiveStatus["source"] = "defaults";
  let override = noOverride;
  let settings = settingsSchema.parse({});
  let rules = compile(settings);
  let polled = false;
  let closed = false;
  let subscription: ReturnType<typeof listen> | undefined;

  const status = (): LiveStatus => ({
    revision: base.head.revision,
    head: base.head.hash,
    source,
    overridden: Object.values(override).flatMap((section) => Object.keys(section ?? {})),
    paths: { push: subscription?.connected ?? false, poll: polled },
  });

  /** Takes a document and an override into force together, or throws and leaves everything as it was. */
  function enforce(next: Sealed, nextOverride: typeof override): void {
    const document = next.document as SettingsInput;
    const parsed = settingsSchema.parse({
      ...document,
      switches: { ...document.switches, ...nextOverride.switches },
      limits: { ...document.limits, ...nextOverride.limits },
      shed: { ...document.shed, ...nextOverride.shed },
      dependencies: { ...document.dependencies, ...nextOverride.dependencies },
    });
    const compiled = compile(parsed);
    settings = parsed;
    rules = compiled;
    base = next;
    override = nextOverride;
  }

  function adopt(next: Sealed, from: LiveStatus["source"], { truth = false } = {}): boolean {
    const { revision, hash } = base.head;
    if (next.head.revision === revision && next.head.hash === hash) return false;
    if (next.head.revision <= revision && !truth) return false;
    try {
      enforce(next, override);
    } catch (error) {
      log.error(
        { error, revision: next.head.revision, from },
        "these settings do not parse; the last good ones stay in force",
      );
      return false;
    }
    source = from;
    confirm(true);
    if (from !== "snapshot") keepSnapshot();
    tell();
    return true;
  }

  function tell(): void {
    const now = status();
    for (const listener of listeners) {
      try {
        listener(now);
      } catch (error) {
        log.error({ error }, "a listener to the settings failed");
      }
    }
  }

  function confirm(news: boolean): void {
    if (redis.status !== "ready") return;
    const { revision, head, overridden } = status();
    const word: Confirmation = { instance: instance.id, revision, head, overridden, at: Date.now() };
    const text = JSON.stringify(word);
    // Nobody waits for these: the next report, two seconds on, says the same.
    if (news) redis.publish(keys.confirmations, text).catch(() => {});
    redis.hset(keys.confirmed, instance.id, text).catch(() => {});
  }

  let writing = Promise.resolve();
  let snapshotFailed = false;
  function keepSnapshot(): void {
    const wanted = base;
    writing = writing.then(async () => {
      if (wanted !== base) return;
      try {
        await writeSnapshot(dataDir, seal.close(wanted));
        snapshotFailed = false;
      } catch (error) {
        if (!snapshotFailed)
          log.warn(
            { error },
            "the settings could not be kept on disk; a start while all is away would use older ones",
          );
        snapshotFailed = true;
      }
    });
  }

  async function loadSnapshot(): Promise<void> {
    try {
      const kept = await readSnapshot(dataDir, seal);
      if (kept) adopt(kept, "snapshot");
    } catch (error) {
      log.error({ error }, "the settings kept on disk are not ours or were changed, and are not used");
    }
  }

  async function loadOverride(): Promise<void> {
    try {
      const news = await readOverride();
      if (news === undefined) return;
      enforce(base, news);
      const { overridden } = status();
      log.warn(
        { keys: overridden },
        overridden.length > 0 ? "a local override is in force" : "no local override any more",
      );
      confirm(true);
      tell();
    } catch (error) {
      log.error({ error }, "the override file cannot be used; what was in force before stays");
    }
  }

  async function poll(): Promise<void> {
    const before = base;
    const head = await controlLog.head();
    polled = true;
    if (head.revision === before.head.revision && head.hash === before.head.hash) return;
    if (head.revision > before.head.revision) {
      adopt(await controlLog.fold(), "poll");
      return;
    }
    // A push overtook this poll, or the log went back: a restored database. Postgres is the truth then.
    if (base !== before) return;
    const folded = await controlLog.fold();
    if (base !== before || !adopt(folded, "poll", { truth: true })) return;
    log.error(
      { had: before.head, has: folded.head },
      "the control log is another one than before (was the database restored?); its settings are in force now",
    );
    await push({ redis, seal, prefix }, folded, { forced: true }).catch(() => {});
  }

  /** After a reconnect: what was pushed meanwhile, or our own copy where Redis came back empty. */
  async function catchUp(): Promise<void> {
    const text = await redis.hget(keys.document, "sealed");
    if (text !== null) receive(text);
    else if (base.head.revision > 0) await push({ redis, seal, prefix }, base);
    confirm(true);
  }

  function receive(text: string): void {
    try {
      const pushed = seal.open(text);
      adopt(pushed, "push");
      // No newer than ours, but another story: Postgres decides which of the two is true.
      const { revision, hash } = base.head;
      if (pushed.head.revision === revision && pushed.head.hash !== hash) void pollSafely();
    } catch (error) {
      log.error({ error }, "a push of settings is not ours or was changed, and is not used");
    }
  }

  function repeat(ms: number, jitter: number, work: () => Promise<void> | void): void {
    const plan = () => {
      if (closed) return;
      const timer = setTimeout(
        async () => {
          timers.delete(timer);
          await within(5_000, work);
          plan();
        },
        ms * (1 - jitter + Math.random() * 2 * jitter),
      );
      timer.unref();
      timers.add(timer);
    };
    plan();
  }

  const pollSafely = async () => {
    try {
      await poll();
    } catch {
      polled = false;
    }
  };

  return {
    current: () => settings,
    rules: () => rules,
    get revision() {
      return base.head.revision;
    },
    status,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async announce(folded) {
      adopt(folded, "own change");
      if (redis.status === "ready") await push({ redis, seal, prefix }, folded);
    },
    async start() {
      await loadSnapshot();
      await loadOverride();
      const subscribed = new Promise<void>((resolve) => {
        subscription = listen(redis, keys.pushes, {
          message: receive,
          ready: () => void catchUp().then(resolve, () => resolve()),
        });
      });
      await within(patienceMs, () => Promise.all([pollSafely(), subscribed]));
      repeat(pollMs, 0.2, pollSafely);
      repeat(reportMs, 0.1, () => confirm(false));
      repeat(overrideMs, 0, loadOverride);
    },
    async close() {
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      subscription?.close();
      await writing;
      if (redis.status === "ready") await redis.hdel(keys.confirmed, instance.id).catch(() => {});
    },
  };
}

/** Waits for work, but not for ever: a hung server must not stop the rounds. */
async function within(ms: number, work: () => unknown): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.resolve(work()).catch(() => {}), late]);
  clearTimeout(timer);
}

/** Settings that stay as given, for tests and tools. */
export function fixedLive(given: SettingsInput = {}): Live & { set(settings: SettingsInput): void } {
  let settings = settingsSchema.parse(given);
  let rules = compile(settings);
  let revision = 0;
  const status = (): LiveStatus => ({
    revision,
    head: "",
    source: "defaults",
    overridden: [],
    paths: { push: false, poll: false },
  });
  const listeners = new Set<(status: LiveStatus) => void>();
  const set = (next: SettingsInput) => {
    settings = settingsSchema.parse(next);
    rules = compile(settings);
    revision += 1;
    for (const listener of listeners) listener(status());
  };
  return {
    current: () => settings,
    rules: () => rules,
    get revision() {
      return revision;
    },
    status,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    announce: async ({ document }) => set(document as SettingsInput),
    start: async () => {},
    close: async () => {},
    set,
  };
}
