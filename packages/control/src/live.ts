// The copy of the settings that this process decides by: the last document that parsed. Reading it never waits. It comes by four
// ways (push through Redis, a poll of Postgres, a signed file, a local override file), and none of them being away takes it back.

import { listen } from "@signalbox/core/listen";
import type { Logger } from "@signalbox/core/log";
import type { Redis } from "@signalbox/core/redis";
import type { Sql } from "@signalbox/db";
import { emptyHead, type Head } from "./chain.ts";
import { createOverrideReader, noOverride, readSnapshot, writeSnapshot } from "./disk.ts";
import { compile, type Rules, type TagsOf } from "./evaluate.ts";
import { type Document, emptyDocument } from "./fold.ts";
import { createHeads } from "./heads.ts";
import { inTime } from "./in-time.ts";
import { type ControlLog, createControlLog } from "./log.ts";
import { type PendingAct, withPending } from "./pending.ts";
import { type Confirmation, controlKeys, push, pushPending } from "./push.ts";
import { createSeal, type Sealed } from "./seal.ts";
import { type Settings, type SettingsInput, settingsSchema } from "./settings.ts";

export type LiveStatus = {
  revision: number;
  /** The newest event of the log in it: what the log must still say. */
  logged: Head;
  /** Acts after it, taken while Postgres was away. */
  pending: number;
  source: "defaults" | "snapshot" | "push" | "poll" | "own change";
  /** Keys that the local override file decides here, whatever the log says. */
  overridden: string[];
  /** When this process took up what it enforces. */
  since: number;
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
  /** Where the log stood, as this machine kept it outside of the log. */
  heads(): Promise<Head[]>;
  /** Acts that the log does not have yet, oldest first. */
  pending(): readonly PendingAct[];
  /**
   * Takes an act without the log: in force here, kept on disk, and pushed where Redis answers. `make` may be asked again where
   * somebody else acted in the same moment; undefined: nothing to do after all.
   */
  takePending(
    make: (document: Document, after: Head, base: number) => PendingAct | undefined,
  ): Promise<PendingAct | undefined>;
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
  /** What the names of this release are tagged with. */
  tagsOf?: TagsOf;
  pollMs?: number;
  reportMs?: number;
  overrideMs?: number;
};

// How long a start waits for Postgres and Redis before it goes on with what is on disk.
const patienceMs = 1_500;
// How long an act without the log waits for Redis, and how often it gives way to another.
const takeMs = 1_000;
const takeTries = 20;
const snapshotMs = 500;

export function createLive(deps: LiveDeps): Live {
  const { log, redis, dataDir, instance, prefix, tagsOf } = deps;
  const { pollMs = 2_000, reportMs = 2_000, overrideMs = 1_000 } = deps;
  const controlLog = deps.controlLog ?? createControlLog(deps.sql);
  const seal = createSeal(deps.secret);
  const heads = createHeads(dataDir, deps.secret);
  const keys = controlKeys(prefix);
  const listeners = new Set<(status: LiveStatus) => void>();
  const readOverride = createOverrideReader(dataDir);
  const timers = new Set<NodeJS.Timeout>();

  let base: Sealed = { head: emptyHead, document: emptyDocument, at: 0 };
  let pending: PendingAct[] = [];
  /** The two together. */
  let merged: Document = emptyDocument;
  /** Pending acts that are in the log by now: a late push must not bring them back. */
  const settled = new Set<string>();
  let source: LiveStatus["source"] = "defaults";
  let override = noOverride;
  let settings = settingsSchema.parse({});
  let rules = compile(settings, tagsOf);
  let since = Date.now();
  let polled = false;
  let closed = false;
  let subscription: ReturnType<typeof listen> | undefined;

  const status = (): LiveStatus => ({
    revision: base.head.revision + pending.length,
    logged: base.head,
    pending: pending.length,
    source,
    since,
    overridden: Object.values(override).flatMap((section) => Object.keys(section ?? {})),
    paths: { push: subscription?.connected ?? false, poll: polled },
  });

  /** Takes a document and an override into force together, or throws and leaves everything as it was. */
  function enforce(next: Sealed, acts: PendingAct[], nextOverride: typeof override): void {
    const nextMerged = withPending(next.document, next.head.revision, acts);
    const document = nextMerged as SettingsInput;
    const parsed = settingsSchema.parse({
      ...document,
      switches: { ...document.switches, ...nextOverride.switches },
      limits: { ...document.limits, ...nextOverride.limits },
      shed: { ...document.shed, ...nextOverride.shed },
      dependencies: { ...document.dependencies, ...nextOverride.dependencies },
    });
    const compiled = compile(parsed, tagsOf);
    settings = parsed;
    rules = compiled;
    base = { head: next.head, document: next.document, at: next.at };
    pending = acts;
    merged = nextMerged;
    override = nextOverride;
  }

  const sealed = (): Sealed => ({ ...base, pending });

  function adopt(next: Sealed, from: LiveStatus["source"], { truth = false } = {}): boolean {
    const { revision, hash } = base.head;
    const isSame = next.head.revision === revision && next.head.hash === hash;
    const isNewer = !isSame && (truth || next.head.revision > revision);
    const known = new Set(pending.map(({ id }) => id));
    const acts = [...pending, ...(next.pending ?? []).filter(({ id }) => !known.has(id))].filter(
      ({ id }) => !settled.has(id),
    );
    if (!isNewer && acts.length === pending.length && acts.every(({ id }) => known.has(id))) return false;
    try {
      enforce(isNewer ? next : base, acts, override);
    } catch (error) {
      log.error(
        { error, revision: next.head.revision, from },
        "these settings do not parse; the last good ones stay in force",
      );
      return false;
    }
    source = from;
    since = Date.now();
    heads.keep(base.head, (error) => log.warn({ error }, "the head of the control log was not kept on disk"));
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
    const { revision, logged, pending, overridden } = status();
    const word: Confirmation = {
      instance: instance.id,
      revision,
      head: logged.hash,
      pending,
      overridden,
      at: Date.now(),
    };
    const text = JSON.stringify(word);
    // Nobody waits for these: the next report, two seconds on, says the same.
    if (news) redis.publish(keys.confirmations, text).catch(() => {});
    redis.hset(keys.confirmed, instance.id, text).catch(() => {});
  }

  let writing = Promise.resolve();
  let snapshotFailed = false;
  let due: NodeJS.Timeout | undefined;
  /** Soon, and not at every flip: many processes that flush to one disk at once would hold up the log's own commits. */
  function keepSnapshot(): void {
    due ??= setTimeout(keepSnapshotNow, snapshotMs * (0.2 + Math.random() * 0.8));
    due.unref();
  }

  function keepSnapshotNow(): void {
    clearTimeout(due);
    due = undefined;
    const wanted = sealed();
    const mark = rules;
    writing = writing.then(async () => {
      if (mark !== rules) return;
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
      enforce(base, pending, news);
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
    if (pending.length > 0) return replay();
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

  /** Postgres answers again: what was taken without it enters the log. Any number of processes may do it. */
  async function replay(): Promise<void> {
    const acts = pending;
    await controlLog.replay(acts);
    for (const { id } of acts) settled.add(id);
    const folded = await controlLog.fold();
    adopt(folded, "poll", { truth: true });
    log.warn(
      { acts: acts.length, revision: folded.head.revision },
      "the acts that were taken while the database was away are in the log now",
    );
    if (redis.status === "ready") await push({ redis, seal, prefix }, sealed()).catch(() => {});
  }

  const takePending: Live["takePending"] = async (make) => {
    for (let tries = 0; ; tries++) {
      const seen = status().revision;
      const act = make(
        merged,
        { revision: seen, hash: pending.at(-1)?.hash ?? base.head.hash },
        base.head.revision,
      );
      if (act === undefined) return undefined;
      const next: Sealed = { ...base, pending: [...pending, act] };
      const stored =
        redis.status === "ready" && tries < takeTries
          ? await inTime(pushPending({ redis, seal, prefix }, next, seen), takeMs).catch(() => undefined)
          : undefined;
      if (stored !== undefined) {
        receive(stored);
        continue;
      }
      // It may be here already: its own push came back.
      adopt(next, "own change");
      if (!pending.some(({ id }) => id === act.id))
        throw new Error("these settings do not parse; nothing was changed");
      // On disk before the answer: with Redis away too there is no other copy.
      keepSnapshotNow();
      await writing;
      return act;
    }
  };

  /** After a reconnect: what was pushed meanwhile, or our own copy where Redis came back empty. */
  async function catchUp(): Promise<void> {
    const text = await redis.hget(keys.document, "sealed");
    if (text !== null) receive(text);
    else if (status().revision > 0) await push({ redis, seal, prefix }, sealed());
    confirm(true);
  }

  function receive(text: string): void {
    try {
      const pushed = seal.open(text);
      adopt(pushed, "push");
      // No newer than ours, but another story: Postgres decides which of the two is true.
      const { revision, hash } = base.head;
      if (pushed.head.revision === revision && pushed.head.hash !== hash) void pollSafely();
      // Somebody reached the log again: what waits for it here may be in it.
      else if (pending.length > 0 && !pushed.pending?.length) void pollSafely();
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
      return status().revision;
    },
    status,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    heads: heads.read,
    pending: () => pending,
    takePending,
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
      if (due) keepSnapshotNow();
      await writing;
      if (redis.status === "ready") await redis.hdel(keys.confirmed, instance.id).catch(() => {});
    },
  };
}

/** A hung server must not stop the rounds. */
const within = (ms: number, work: () => unknown): Promise<unknown> =>
  inTime(Promise.resolve(work()), ms).catch(() => {});

/** Settings that stay as given, for tests and tools. */
export function fixedLive(
  given: SettingsInput = {},
  tagsOf?: TagsOf,
): Live & { set(settings: SettingsInput): void } {
  let settings = settingsSchema.parse(given);
  let rules = compile(settings, tagsOf);
  let revision = 0;
  const status = (): LiveStatus => ({
    revision,
    logged: { revision, hash: "" },
    pending: 0,
    source: "defaults",
    since: 0,
    overridden: [],
    paths: { push: false, poll: false },
  });
  const listeners = new Set<(status: LiveStatus) => void>();
  const set = (next: SettingsInput) => {
    settings = settingsSchema.parse(next);
    rules = compile(settings, tagsOf);
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
    heads: async () => [],
    pending: () => [],
    takePending: () => Promise.reject(new Error("settings that stay as given take no acts")),
    start: async () => {},
    close: async () => {},
    set,
  };
}
