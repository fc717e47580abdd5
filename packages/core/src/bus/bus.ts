// What the platform asks of an event bus. Redis Streams is one answer; contract.ts says what each must keep.

import type { BusEvent } from "./envelope.ts";

export type { BusEvent } from "./envelope.ts";

export type Delivery = {
  group: string;
  partition: number;
  /** 1 at first; counts only failures that were the event's own. */
  attempt: number;
};

/** May be called twice for one event. Throwing means: try again, later events of this key wait. */
export type Handler = (event: BusEvent, delivery: Delivery) => Promise<void>;

/** Thrown by a handler that may not run now: the event waits, nothing counts as failed. */
export class NotNow extends Error {
  readonly againInMs: number;
  constructor(reason: string, againInMs = 500) {
    super(reason);
    this.againInMs = againInMs;
  }
}

export type ConsumeOptions = {
  /** Keys of one partition handled at the same time. */
  concurrency?: number;
  /** Failures of its own after which an event is set aside as a dead letter. */
  attempts?: number;
  backoff?: { baseMs: number; limitMs: number };
  /** Whether an error says that a part is away, which is never the event's fault: retried for ever. */
  isAway?: (error: unknown) => boolean;
  /** While it is so nothing is read or begun, and the position stays. */
  isOff?: () => boolean;
};

export type PartitionLag = {
  partition: number;
  /** Events not handled yet, counted up to 10,000. */
  events: number;
  /** Age of the oldest of them; 0 where there is none. */
  oldestMs: number;
};

export type Consumer = {
  /** Stops taking events, finishes what is under way (up to the limit) and lets a successor go on at once. */
  stop(limitMs?: number): Promise<void>;
};

export type Bus = {
  /** One group sees every event once it is handled; workers of a group share its partitions. */
  consume(group: string, handler: Handler, options?: ConsumeOptions): Consumer;
  lag(group: string): Promise<PartitionLag[]>;
  /** Has the group handle again everything from an instant or from an event on, as far back as the bus still holds it. */
  rewind(group: string, to: { at: Date } | { id: string }): Promise<{ events: number }>;
  /** Partitions that this process consumes now, by group. */
  held(): Record<string, number[]>;
  close(limitMs?: number): Promise<void>;
};

/** What consumers keep in Postgres, where it survives a Redis that forgot everything. */
export type BusStore = {
  /** Announces that the group consumes this partition; answers the keys that wait behind a dead letter. */
  open(group: string, partition: number): Promise<string[]>;
  setAside(letter: NewLetter): Promise<void>;
  /** Keys whose letters someone asked to run again. */
  replayRequests(): Promise<{ group: string; partition: number; key: string }[]>;
  /** The oldest letter of a key. */
  firstLetter(
    group: string,
    key: string,
  ): Promise<{ sequence: string; event: BusEvent; discarded: boolean } | undefined>;
  removeLetter(sequence: string): Promise<void>;
  /** It failed again: back to being dead, no longer asked for. */
  failLetter(sequence: string, error: string, attempts: number): Promise<void>;
  saveProgress(rows: Progress[]): Promise<void>;
};

export type NewLetter = {
  group: string;
  partition: number;
  event: BusEvent;
  /** Absent: it did not fail itself, it waits behind one that did. */
  failure?: { error: string; attempts: number };
};

export type Progress = {
  group: string;
  partition: number;
  stream: string;
  lastId: string;
  /** Every outbox row whose transaction began before this instant is handled. */
  safeAt: number;
};
