// The backbone on a whole install. Events are written to the outbox at a steady rate, each in a durable transaction of its own: how
// long from the sending of the commit until it is on the bus. Then a backlog of many events, and a group that begins at its start with
// a handler that does nothing: how many a second a process takes from the bus, from its first word on, each key in order and each
// event once.

import { setTimeout as pause } from "node:timers/promises";
import { startInstallForTest } from "../apps/cli/src/testing/install.ts";
import { decodeEvent } from "../packages/core/src/bus/envelope.ts";
import { busKeys, defaultPartitions } from "../packages/core/src/bus/keys.ts";
import { createRedisBus } from "../packages/core/src/bus/redis-bus.ts";
import { newId } from "../packages/core/src/ids.ts";
import { createLogger } from "../packages/core/src/log.ts";
import { connectRedis, patient } from "../packages/core/src/redis.ts";
import { createBusStore } from "../packages/db/src/bus-store.ts";
import { connectDatabase } from "../packages/db/src/index.ts";
import { percentile } from "./harness/connection.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const perSecond = 500;
const seconds = 10;
const backlog = 40_000;
const rounds = 3;
const users = Array.from({ length: 1_000 }, newId);
const topic = "bench.happened";
const lagTopic = "bench.timed";

progress("starting an install of its own");
const install = await startInstallForTest({ portBase: 23_520 });
const run = install.runFile();
const redis = connectRedis(run.redis);
const reader = connectRedis(run.redis, patient);
const { sql, close } = connectDatabase(run.postgres, { name: "bench", poolSize: 4 });
const keys = busKeys();
let written = 0;

try {
  await write(users[0]!, 0);
  let epoch: string | null = null;
  while (epoch === null) {
    epoch = await redis.lindex(keys.epochs, -1);
    await pause(20);
  }
  progress(`${perSecond} events a second for ${seconds} s`);
  const lags = await measureLag(epoch);
  progress(`a backlog of ${backlog.toLocaleString("en")} events`);
  const rates: number[] = [];
  let wrong = 0;
  for (let round = 0; round < rounds; round += 1) {
    const first = await writeBacklog(epoch);
    const found = await consume(`bench${round}`, first);
    rates.push(found.rate);
    wrong += found.wrong;
    progress(`  ${found.rate.toFixed(0)}/s`);
  }
  report("events", [
    figure(`relay lag at ${perSecond} events/s, p50`, percentile(lags, 0.5), {
      unit: "ms",
      bar: 250,
      better: "lower",
    }),
    figure(`relay lag at ${perSecond} events/s, p99`, percentile(lags, 0.99), {
      unit: "ms",
      bar: 250,
      better: "lower",
    }),
    figure("consumed by one process", median(rates), { unit: "/s", bar: 5_000, better: "higher" }),
    figure("events lost, twice, or out of order", wrong, { unit: "events", bar: 0, better: "lower" }),
  ]);
} finally {
  redis.disconnect();
  reader.disconnect();
  await close();
  await install.stop();
}

async function write(key: string, n: number): Promise<string> {
  const id = newId();
  await sql`
    insert into outbox (id, key, topic, version, payload, request_id)
    values (${id}, ${key}, ${lagTopic}, 1, ${sql.json({ userId: key, n })}, 'bench')`;
  return id;
}

async function measureLag(epoch: string): Promise<number[]> {
  const sentAt = new Map<string, number>();
  const seenAt = new Map<string, number>();
  const total = perSecond * seconds;
  const heads = await Promise.all(
    Array.from({ length: defaultPartitions }, async (_, partition) => {
      const [last] = await redis.xrevrange(keys.stream(partition, epoch), "+", "-", "COUNT", 1);
      return last?.[0] ?? "0-0";
    }),
  );
  const streams = heads.map((_, partition) => keys.stream(partition, epoch));
  const watch = async () => {
    const until = performance.now() + (seconds + 20) * 1_000;
    while (seenAt.size < total && performance.now() < until) {
      const found = await reader.xread("COUNT", 1_000, "BLOCK", 1_000, "STREAMS", ...streams, ...heads);
      const now = performance.now();
      for (const [stream, entries] of found ?? []) {
        heads[streams.indexOf(stream)] = entries.at(-1)![0];
        for (const [, [, text = ""]] of entries) {
          const event = decodeEvent(text);
          if (event.topic === lagTopic) seenAt.set(event.id, now);
        }
      }
    }
  };
  const send = async () => {
    const began = performance.now();
    const under: Promise<unknown>[] = [];
    for (let n = 0; n < total; n += 1) {
      const due = began + (n * 1_000) / perSecond - performance.now();
      if (due > 0) await pause(due);
      const at = performance.now();
      under.push(write(users[n % users.length]!, n).then((id) => sentAt.set(id, at)));
    }
    await Promise.all(under);
  };
  await Promise.all([watch(), send()]);
  return [...sentAt].map(([id, at]) => (seenAt.get(id) ?? Number.POSITIVE_INFINITY) - at);
}

/** Answers the number of its first event: what came before is another round's. */
async function writeBacklog(epoch: string): Promise<number> {
  const first = written;
  const count = async () => {
    let entries = 0;
    for (let partition = 0; partition < defaultPartitions; partition += 1)
      entries += await redis.xlen(keys.stream(partition, epoch));
    return entries;
  };
  const before = await count();
  for (; written < first + backlog; written += 1_000)
    await sql`
      insert into outbox (id, key, topic, version, payload, request_id)
      select gen_random_uuid(), (${users}::uuid[])[1 + n % ${users.length}], ${topic}, 1,
        jsonb_build_object('userId', (${users}::uuid[])[1 + n % ${users.length}], 'n', n), 'bench'
      from generate_series(${written}::int, ${written + 999}::int) as n`;
  while ((await count()) < before + backlog) await pause(50);
  // The groups of the install are through with it too: they share this machine.
  await pause(3_000);
  return first;
}

async function consume(group: string, first: number): Promise<{ rate: number; wrong: number }> {
  const bus = createRedisBus({
    url: run.redis,
    log: createLogger({ name: "bench", level: "error" }),
    store: createBusStore(sql),
    worker: `bench-${group}`,
  });
  const last = new Map<string, number>();
  let handled = 0;
  let wrong = 0;
  const began = performance.now();
  const done = Promise.withResolvers<void>();
  const consumer = bus.consume(group, async (event) => {
    if (event.topic !== topic) return;
    const { n } = event.payload as { n: number };
    if (n < first) return;
    if (n <= (last.get(event.key) ?? -1)) wrong += 1;
    last.set(event.key, n);
    handled += 1;
    if (handled === backlog) done.resolve();
  });
  const late = pause(60_000, undefined, { ref: false });
  await Promise.race([done.promise, late]);
  const rate = (handled / (performance.now() - began)) * 1_000;
  await consumer.stop();
  await bus.close();
  return { rate, wrong: wrong + Math.abs(backlog - handled) };
}
