// What every verb and job is given, and the three words for changing things: transaction, emit, on.

import type { Live } from "@signalbox/control/live";
import type { Cache } from "@signalbox/core/cache/cache";
import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import type { Logger } from "@signalbox/core/log";
import type { Mailer } from "@signalbox/core/mail";
import type { Queues } from "@signalbox/core/queue/definition";
import type { Redis } from "@signalbox/core/redis";
import type { Registry } from "@signalbox/core/registry";
import type { Peer } from "@signalbox/core/resilience/deadline";
import type { Dependencies } from "@signalbox/core/resilience/dependencies";
import type { Signals } from "@signalbox/core/signals/signals";
import type { Kms } from "@signalbox/core/vault";
import { type Db, isAfterFailure, type Sql } from "@signalbox/db";
import { appendToOutbox, nameTransaction, type OutboxRow, type Transaction } from "@signalbox/db/outbox";
import type { Replicas } from "@signalbox/db/replicas";
import type { Limiter } from "@signalbox/gateway/limiter";
import type { Stage, Toll } from "@signalbox/gateway/pipeline";
import type { z } from "zod";
import type { Application } from "./auth/applications.ts";
import type { PasswordCost } from "./auth/passwords.ts";
import type { Revocations } from "./auth/revocations.ts";
import type { Elsewhere } from "./elsewhere.ts";
import { markEffect } from "./idempotency.ts";
import type { Claim } from "./idempotency-claim.ts";
import type { Streams } from "./live/streams.ts";
import type { WriteQueue } from "./writes/write-queue.ts";

export type Actor =
  | { kind: "guest" }
  | { kind: "user"; id: string; sessionId: string; role?: "moderator" }
  | { kind: "operator"; id: string; name: string; role: "viewer" | "operator" | "admin" }
  | { kind: "job"; name: string };

/** What the cache reads from. */
export type Source = { db: Db; sql: Sql };

/** Made once a process. */
export type Deps = {
  db: Db;
  /** Plain postgres.js, for the statements of a hot path. */
  sql: Sql;
  /** For what is asked once for several calls: it ends with none of them. */
  shared: Source;
  /** For what a process asks again and again; one connection. */
  watch: Sql;
  /** Copies of the database; absent: there are none. Read through fromReplica(). */
  replicas?: Replicas;
  redis: Redis;
  cache: Cache<Source>;
  log: Logger;
  live: Live;
  gateway: Stage;
  /** Has this service more to do than it can? */
  isOverloaded: (service: string) => boolean;
  /** The gateway's own, for verbs that count by something only they know. */
  limiter: Limiter;
  mailer: Mailer;
  queues: Queues;
  /** The parts that this process asks, each with its breaker. */
  dependencies: Dependencies;
  passwordCost: PasswordCost;
  signals: Signals;
  /** Who else is alive. */
  registry: Registry;
  /** Sessions whose access tokens are refused although they have not ended. */
  revocations: Revocations;
  /** The install's master secret; keys for one purpose each are derived from it. */
  secret: Buffer;
  /** Keeps the master key of personal data; absent: the install's secret is that key. */
  kms?: Kms;
  /** This process in the registry, in confirmations and in signals. */
  instance: { id: string; name: string; version: string; track: "stable" | "canary"; zone: string };
  /** Absent: none is configured. Named are those that wake somebody. */
  alerts?: { paging(): Promise<string[]> };
  publicUrl: string;
  /** Where people may live; absent or empty: everywhere. */
  regions?: readonly string[];
  /** Modules that run in other processes; absent: all of them run here. */
  elsewhere?: Elsewhere;
  /** Writes that wait for the database; absent: none are kept here. */
  writes?: WriteQueue;
  /** Live streams; absent: this process holds none. */
  streams?: Streams;
  now: () => Date;
};

/** Made once a request or job. */
export type Ctx = Deps & {
  actor: Actor;
  requestId: string;
  /** Our own span in the caller's trace. */
  traceparent: string;
  /** The span of whoever called, where it sent one. */
  parentSpanId?: string;
  variant: "stable" | "canary";
  /** The canary, or the side of one, that a tester asks for. */
  override?: string;
  /** The caller's address after trusted proxies. */
  address: string;
  /** What the request has paid at the edge. */
  toll?: Toll;
  /** The caller's own words on what it runs on. */
  userAgent: string;
  /** X-App-Version and X-Region as sent: whom switches can single out. */
  appVersion?: string;
  region?: string;
  /** How long the caller will wait, where it said so; and whether it is still there. */
  timeoutMs?: number;
  peer?: Peer;
  /** The program that calls for its user, where it showed its key. */
  application?: Pick<Application, "id" | "scopes" | "limit" | "barred">;
  /** In a job: what it runs for, and as whom; isFirstTime() in @signalbox/db/consumed takes it as its mark. */
  event?: { id: string; group: string; at: string };
  /** If-Match as sent, where it was. */
  ifMatch?: string;
  /** Idempotency-Key as sent, where it was. */
  idempotencyKey?: string;
  /** Inside a mutation that was sent with one: what transaction() marks. */
  claim?: Claim;
  /** Answer headers that a verb sets; the REST door writes them. Location is a path below the version: `/posts/1`. */
  answer: { headers: Record<string, string>; status?: number };
};

export type AsUser<C extends Ctx = Ctx> = C & { actor: Extract<Actor, { kind: "user" }> };
export type AsOperator<C extends Ctx = Ctx> = C & { actor: Extract<Actor, { kind: "operator" }> };
export type InTransaction<C extends Ctx = Ctx> = Omit<C, "db"> & {
  db: Transaction;
  /** Done once the change is there for all to read, and not where it was rolled back. Must not fail. */
  afterCommit(step: () => Promise<unknown>): void;
};

/** Runs `work` with a ctx of the same kind whose db is the transaction: all of it is committed, or none. */
export async function transaction<C extends Ctx, T>(
  ctx: C,
  work: (ctx: InTransaction<C>) => Promise<T>,
): Promise<T> {
  const steps: (() => Promise<unknown>)[] = [];
  const done = await ctx.db.transaction(async (db) => {
    const [, result] = await Promise.all([
      nameTransaction(db, `signalbox ${ctx.instance.name} ${ctx.requestId}`),
      work({ ...ctx, db, afterCommit: (step) => void steps.push(step) }),
    ]);
    // Last, so that the claim's row is held for a moment only.
    if (ctx.claim) await markEffect(db, ctx.claim);
    return result;
  });
  for (const step of steps)
    await step().catch((error) =>
      ctx.log.error({ error, requestId: ctx.requestId }, "not done after a commit"),
    );
  return done;
}

/**
 * Statements of one transaction that do not wait for each other, sent in one trip. All of them are waited for, also where one fails:
 * a step that came after the rollback would be done outside of it.
 */
export async function together<Work extends readonly unknown[]>(
  ...work: Work
): Promise<{ -readonly [At in keyof Work]: Awaited<Work[At]> }> {
  const results = await Promise.allSettled(work);
  const failures = results.filter((result) => result.status === "rejected").map(({ reason }) => reason);
  // Where one failed, all after it are refused for that reason alone.
  if (failures.length > 0) throw failures.find((failure) => !isAfterFailure(failure)) ?? failures[0];
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never;
}

export type EventType<
  Name extends string = string,
  Payload extends { userId: string } = { userId: string },
> = {
  name: Name;
  version: number;
  schema: z.ZodType<Payload>;
  /** By version: makes the next one of what an older release announced. */
  upgrades: Record<number, (payload: never) => unknown>;
};

/**
 * A fact in the past tense. Its `userId` is the key: events of one user stay in order. What is on its way while a release is
 * replaced, or is replayed later, was announced by an older version: each version but the newest has its upgrade.
 */
export function defineEvent<const Name extends `${string}.${string}`, Payload extends { userId: string }>(
  name: Name,
  version: number,
  schema: z.ZodType<Payload>,
  upgrades: EventType["upgrades"] = {},
): EventType<Name, Payload> {
  return { name, version, schema, upgrades };
}

/** Announces a fact together with the change that made it true; outside a transaction it does not compile. */
export async function emit<Payload extends { userId: string }>(
  ctx: InTransaction,
  event: EventType<string, Payload>,
  payload: Payload,
): Promise<void> {
  await appendToOutbox(ctx.db, tell(ctx, event, payload));
}

/** The row of the outbox that announces it. */
export const tell = <Payload extends { userId: string }>(
  { requestId, traceparent }: Pick<Ctx, "requestId" | "traceparent">,
  { name, version, schema }: EventType<string, Payload>,
  payload: Payload,
): OutboxRow => ({
  id: newId(),
  key: payload.userId,
  topic: name,
  version,
  payload: schema.parse(payload),
  requestId,
  traceparent,
});

export type Job = {
  event: EventType;
  /** What stands for this job in switches, dead letters and logs: `<module>.<noun>.<verb>`. */
  name: string;
  run: (ctx: Ctx, payload: never) => Promise<void>;
};

/** What a module does when something was announced. It may run twice: make the second run harmless. */
export function on<Payload extends { userId: string }>(
  event: EventType<string, Payload>,
  name: string,
  run: (ctx: Ctx, payload: Payload) => Promise<void>,
): Job {
  return { event: event as unknown as EventType, name, run: run as Job["run"] };
}

/** The single row that a write or a look-up by key must give. */
export function one<T>(rows: T[], otherwise?: () => AppError): T {
  const [row] = rows;
  if (row === undefined) throw otherwise?.() ?? new AppError("not_found", "there is nothing under this id");
  return row;
}
