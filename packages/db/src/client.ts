// The two ways into Postgres: Drizzle for everyday queries, and plain postgres.js for the few statements on a hot path.
// They are separate clients, because Drizzle replaces the JSON and date handling of the client that it is given.

import type { Breaker } from "@signalbox/core/resilience/breaker";
import type { PoolUse } from "@signalbox/core/signals/saturation";
import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { createGuard } from "./guard.ts";
import * as schema from "./schema/index.ts";

export type Db = PostgresJsDatabase<typeof schema>;
export type Sql = postgres.Sql;
export type Database = {
  db: Db;
  sql: Sql;
  /** One connection for what a process asks again and again, so that its pools can go to sleep when nobody calls. */
  watch: Sql;
  /** The same pools for what is read once for whoever asks, such as the cache's values: it does not end with the first caller. */
  shared: { db: Db; sql: Sql };
  pool(): PoolUse;
  /** Several statements wait, and nothing was answered since they began. */
  hangs(): boolean;
  close(): Promise<void>;
};

export function connectDatabase(
  url: string,
  options: { name: string; poolSize?: number; breaker?: Breaker },
): Database {
  const open = (max: number) =>
    postgres(url, {
      max,
      // Queries take turns over all connections, so a short time is what lets an idle process shrink to one or two.
      idle_timeout: 5,
      connect_timeout: 3,
      // A hung server must not hold a request for ever; a slow query is ended by the server itself.
      connection: {
        application_name: options.name,
        statement_timeout: 10_000,
        idle_in_transaction_session_timeout: 30_000,
      },
      backoff: (attempt) => Math.min(0.05 * 2 ** Math.min(attempt, 6), 2) * (0.5 + Math.random() / 2),
      onnotice: () => {},
    });
  const poolSize = options.poolSize ?? 10;
  const forDrizzle = keepStatements(open(poolSize));
  const plain = open(poolSize);
  const watch = open(1);
  const guards = [createGuard(poolSize, options.breaker), createGuard(poolSize, options.breaker)] as const;
  return {
    db: drizzle(guards[0].forCalls(forDrizzle), { schema }),
    sql: guards[1].forCalls(plain),
    watch,
    shared: { db: drizzle(guards[0].forAll(forDrizzle), { schema }), sql: guards[1].forAll(plain) },
    pool() {
      const [first, second] = guards.map((guard) => guard.use());
      return {
        size: first!.size + second!.size,
        inUse: first!.inUse + second!.inUse,
        waiting: first!.waiting + second!.waiting,
      };
    },
    hangs: () => guards.some((guard) => guard.hangs()),
    close: async () =>
      void (await Promise.all([forDrizzle, plain, watch].map((client) => client.end({ timeout: 5 })))),
  };
}

/**
 * Drizzle has each statement parsed and planned anew, and the driver then waits for its description before it sends the values.
 * Kept by its connection, a statement costs one trip and no plan, and those of a transaction that do not wait for each other share
 * a trip.
 */
function keepStatements<Client extends Sql | postgres.TransactionSql>(client: Client): Client {
  const { unsafe } = client;
  client.unsafe = (text, values, options) => unsafe(text, values, { ...options, prepare: true });
  for (const name of ["begin", "savepoint"] as const) {
    const open = (client as Partial<Record<typeof name, Open>>)[name];
    if (!open) continue;
    const openKept: Open = (...words) => {
      const work = words.pop() as Work;
      return open(...words, (inner: postgres.TransactionSql) => work(keepStatements(inner)));
    };
    Object.assign(client, { [name]: openKept });
  }
  return client;
}

type Work = (inner: postgres.TransactionSql) => unknown;
type Open = (...words: unknown[]) => unknown;
