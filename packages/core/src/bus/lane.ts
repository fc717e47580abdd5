// One partition as one group handles it: events of a key one after the other, keys beside each other, and an event that
// fails holds up nobody but its key. Knows no Redis: it is given events and says how far it is.

import { atMost, type Backoff, fullJitter } from "./backoff.ts";
import type { BusEvent, BusStore, ConsumeOptions, Handler } from "./bus.ts";
import { NotNow } from "./bus.ts";

export type LaneEvent = {
  id: string;
  safeAt: number;
  event: BusEvent;
};

export type LanePosition = {
  /** Everything up to here was taken. */
  head: string;
  /** Of that, what is not handled yet, in order. */
  pending: string[];
  /** Every outbox row whose transaction began before this instant is handled. */
  safeAt: number;
};

export type Lane = {
  readonly head: string;
  readonly isFull: boolean;
  readonly isIdle: boolean;
  /** Whether the position moved since it was last kept. */
  readonly isDirty: boolean;
  take(events: LaneEvent[]): void;
  /** What an earlier holder of the partition had taken and not handled: goes before everything new. */
  resume(events: LaneEvent[]): void;
  position(): LanePosition;
  /** The same, as something that is about to be kept. */
  positionToKeep(): LanePosition;
  /** Goes on with what waits, where it may work again. */
  goOn(): void;
  /** Someone asked for the letters of this key to run again. */
  replay(key: string): void;
  /** Starts nothing more; resolves once what runs is done, or the limit is over. */
  stop(limitMs: number): Promise<void>;
};

export type LaneOptions = {
  group: string;
  partition: number;
  handler: Handler;
  store: BusStore;
  parked: Iterable<string>;
  head: string;
  safeAt: number;
  /** False as soon as another worker may hold the partition, or its group is switched off: nothing is started then. */
  mayWork: () => boolean;
  /** Something was handled: there may be room, and a position to keep. */
  onProgress: () => void;
  onTrouble: (trouble: Trouble) => void;
  options: Required<ConsumeOptions>;
};

export type Trouble = {
  kind: "failed" | "dead" | "parked" | "away" | "replayed" | "replay failed";
  event: BusEvent;
  attempt: number;
  error?: unknown;
};

// Waiting events of one lane in memory; more than this and it stops reading.
const roomFor = 1_000;
const awayBackoff: Backoff = { baseMs: 100, limitMs: 5_000 };

type Task = {
  /** Undefined: run the key's letters again. */
  taken: LaneEvent | undefined;
  failures: number;
  away: number;
  /** Whose failures these are, when letters run again. */
  letter: string | undefined;
};

export function createLane(lane: LaneOptions): Lane {
  const { group, partition, handler, store, mayWork, onProgress, onTrouble, options } = lane;
  const parked = new Set(lane.parked);
  const queues = new Map<string, Task[]>();
  const ready: string[] = [];
  const pending = new Map<string, number>();
  const replaying = new Set<string>();
  const timers = new Set<NodeJS.Timeout>();
  let { head, safeAt: headSafeAt } = lane;
  let running = 0;
  let stopping = false;
  let isDirty = false;
  let whenIdle: (() => void) | undefined;

  function add(key: string, task: Task) {
    const queue = queues.get(key);
    if (queue) {
      queue.push(task);
      return;
    }
    queues.set(key, [task]);
    ready.push(key);
  }

  function pump() {
    while (running < options.concurrency && ready.length > 0 && !stopping && mayWork()) {
      const key = ready.shift()!;
      running += 1;
      step(key).then((waitMs) => {
        running -= 1;
        const queue = queues.get(key)!;
        if (waitMs > 0) {
          // Waiting takes no place from other keys.
          const timer = setTimeout(() => {
            timers.delete(timer);
            ready.push(key);
            pump();
          }, waitMs);
          timers.add(timer);
        } else if (queue.length > 0) ready.push(key);
        else queues.delete(key);
        if (running === 0) whenIdle?.();
        pump();
      });
    }
  }

  /** Works on the first task of a key. Answers how long the key must wait; 0: the task is done with. */
  async function step(key: string): Promise<number> {
    const task = queues.get(key)![0]!;
    const waitMs = task.taken ? await handle(task, task.taken) : await replayOne(task, key);
    if (waitMs === 0) {
      queues.get(key)!.shift();
      if (task.taken) {
        pending.delete(task.taken.id);
        isDirty = true;
      } else replaying.delete(key);
      onProgress();
    }
    // A step that is to be taken again at once still lets others go first.
    return Math.max(0, waitMs);
  }

  async function handle(task: Task, { event }: LaneEvent): Promise<number> {
    if (parked.has(event.key)) {
      const waitMs = await keep(task, event, undefined);
      if (waitMs === 0) onTrouble({ kind: "parked", event, attempt: 0 });
      return waitMs;
    }
    const failure = await attempt(task, event);
    if (typeof failure === "number") return failure;
    if (failure.attempts < options.attempts) return fullJitter(failure.attempts, options.backoff) + 1;
    const waitMs = await keep(task, event, { error: describe(failure.error), attempts: failure.attempts });
    if (waitMs > 0) {
      // Postgres is away: the next round fails once more, then tries to keep it again.
      task.failures -= 1;
      return waitMs;
    }
    parked.add(event.key);
    onTrouble({ kind: "dead", event, attempt: failure.attempts, error: failure.error });
    return 0;
  }

  /** 0: handled. Another number: wait so long, nothing counted. Else the event's own failure. */
  async function attempt(
    task: Task,
    event: BusEvent,
  ): Promise<number | { error: unknown; attempts: number }> {
    try {
      await handler(event, { group, partition, attempt: task.failures + 1 });
      return 0;
    } catch (error) {
      if (error instanceof NotNow) return Math.max(1, error.againInMs);
      if (options.isAway(error)) {
        onTrouble({ kind: "away", event, attempt: task.away, error });
        return fullJitter(task.away++, awayBackoff) + 1;
      }
      task.failures += 1;
      onTrouble({ kind: "failed", event, attempt: task.failures, error });
      return { error, attempts: task.failures };
    }
  }

  async function keep(
    task: Task,
    event: BusEvent,
    failure: { error: string; attempts: number } | undefined,
  ): Promise<number> {
    try {
      await store.setAside({ group, partition, event, ...(failure ? { failure } : {}) });
      return 0;
    } catch (error) {
      onTrouble({ kind: "away", event, attempt: task.away, error });
      return fullJitter(task.away++, awayBackoff) + 1;
    }
  }

  /** One letter of the key, the oldest. -1 and above as in step: a small wait means that more letters follow. */
  async function replayOne(task: Task, key: string): Promise<number> {
    try {
      const letter = await store.firstLetter(group, key);
      if (!letter) {
        parked.delete(key);
        return 0;
      }
      if (letter.discarded) {
        await store.removeLetter(letter.sequence);
        return 1;
      }
      if (task.letter !== letter.sequence) {
        task.letter = letter.sequence;
        task.failures = 0;
      }
      const failure = await attempt(task, letter.event);
      if (failure === 0) {
        await store.removeLetter(letter.sequence);
        onTrouble({ kind: "replayed", event: letter.event, attempt: task.failures + 1 });
        return 1;
      }
      if (typeof failure === "number") return failure;
      if (failure.attempts < options.attempts) return fullJitter(failure.attempts, options.backoff) + 1;
      await store.failLetter(letter.sequence, describe(failure.error), failure.attempts);
      onTrouble({
        kind: "replay failed",
        event: letter.event,
        attempt: failure.attempts,
        error: failure.error,
      });
      return 0;
    } catch {
      return fullJitter(task.away++, awayBackoff) + 1;
    }
  }

  function queueUp(events: LaneEvent[]) {
    for (const taken of events) {
      pending.set(taken.id, taken.safeAt);
      add(taken.event.key, { taken, failures: 0, away: 0, letter: undefined });
    }
    isDirty ||= events.length > 0;
    pump();
  }

  function position(): LanePosition {
    let safeAt = headSafeAt;
    for (const at of pending.values()) if (at < safeAt) safeAt = at;
    return { head, pending: [...pending.keys()], safeAt };
  }

  return {
    get head() {
      return head;
    },
    get isFull() {
      return pending.size >= roomFor;
    },
    get isIdle() {
      return pending.size === 0 && running === 0;
    },
    get isDirty() {
      return isDirty;
    },
    take(events) {
      for (const { id, safeAt } of events) {
        head = id;
        headSafeAt = safeAt;
      }
      queueUp(events);
    },
    resume: queueUp,
    position,
    goOn: pump,
    positionToKeep() {
      isDirty = false;
      return position();
    },
    replay(key) {
      if (replaying.has(key)) return;
      replaying.add(key);
      // Until its letters are through, what arrives for this key is put behind them.
      parked.add(key);
      add(key, { taken: undefined, failures: 0, away: 0, letter: undefined });
      pump();
    },
    async stop(limitMs) {
      stopping = true;
      for (const timer of timers) clearTimeout(timer);
      if (running === 0) return;
      const idle = new Promise<void>((resolve) => {
        whenIdle = resolve;
      });
      await atMost(limitMs, idle);
    },
  };
}

const describe = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
