// What the whole pipeline costs: a profile read from the cache with one of ten thousand tokens, through limits, switches, canary,
// signals and trace, against bare Fastify with one GET of ioredis that answers the same bytes. Once the profile comes from the memory
// of the process (L1), once everything comes from Redis (L2). Engines, servers and load are processes of their own.
// Printed as well: the same peer with our own way to Redis, which writes what one turn asks at once.

import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import fastify from "fastify";
import { Redis } from "ioredis";
import { createGatewayApp } from "../apps/api/src/app.ts";
import { startTestEngines } from "../apps/cli/src/engines/for-tests.ts";
import { nodeFlags } from "../apps/cli/src/node-flags.ts";
import { limitSetting } from "../packages/control/src/settings.ts";
import { createCache } from "../packages/core/src/cache/cache.ts";
import { readConfig } from "../packages/core/src/config.ts";
import { createHealth } from "../packages/core/src/health.ts";
import { newId } from "../packages/core/src/ids.ts";
import { createLogger } from "../packages/core/src/log.ts";
import { connectRedis } from "../packages/core/src/redis.ts";
import { createShutdown } from "../packages/core/src/shutdown.ts";
import { connectDatabase } from "../packages/db/src/index.ts";
import { migrate } from "../packages/db/src/migrate.ts";
import { createLimiter } from "../packages/gateway/src/limiter.ts";
import { signAccess } from "../packages/modules/src/auth/tokens.ts";
import { openDeps } from "../packages/modules/src/deps.ts";
import { percentile } from "./harness/connection.ts";
import { never, openDriver } from "./harness/drive.ts";
import { pidOfRedis, putFirst } from "./harness/first.ts";
import { atHalfLoad } from "./harness/half-load.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const peopleCount = 10_000;
const profileCount = 1_000;
const rounds = 15;
const roundMs = 500;
const paceRounds = 120;
/** Short, and in turn, so that what the machine does otherwise befalls both sides alike. Every answer of every run counts. */
const paceMs = 100;
const leadInMs = 80;

type Side = "bare" | "gathered" | "l1" | "l2";
type Server = { child: ChildProcess; port: number };
type Order =
  | { do: "open"; port: number; file: string }
  | { do: "all"; port: number }
  | { do: "run"; port: number; ms: number }
  | { do: "pace"; port: number; rate: number; ms: number };

const [role, ...words] = process.argv.slice(2);
// Leaving by itself, a server still writes what --cpu-prof gathered.
if (process.send) process.once("disconnect", () => process.exit());
if (process.send && role !== "load")
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send!(user + system);
  });
if (process.send && role === "load") serveLoad();
else if (process.send && (role === "bare" || role === "gathered"))
  process.send(await serveBare(role, words[0]!, words[1]!));
else if (process.send && (role === "l1" || role === "l2")) process.send(await serveOurs(role));
else await measure();

/** The peer: the same Fastify and a Redis client, and nothing else. */
async function serveBare(side: "bare" | "gathered", redisUrl: string, body: string): Promise<number> {
  const redis = side === "bare" ? new Redis(redisUrl) : connectRedis(redisUrl);
  await redis.set("bench:profile", body);
  const app = fastify();
  app.get("/v1/users/:handle", async (_request, reply) => {
    reply.header("content-type", "application/json; charset=utf-8");
    return redis.get("bench:profile");
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  return (app.server.address() as AddressInfo).port;
}

/** What apps/api/src/main.ts starts, its public port alone. */
async function serveOurs(level: "l1" | "l2"): Promise<number> {
  const config = readConfig(process.env);
  const log = createLogger({ name: "bench", level: "warn" });
  const shutdown = createShutdown(log);
  const deps = await openDeps(config, { log, shutdown, role: "all" });
  if (level === "l2") {
    const { redis, db, sql } = deps;
    const settings = { maxLoads: 8, ttl: { "users.profile": { l1Ms: 0 } } };
    deps.cache = createCache({ redis, log, source: { db, sql }, settings: () => settings });
    await deps.cache.start();
  }
  const health = createHealth({ version: config.SIGNALBOX_VERSION, serviceId: deps.instance.id });
  const app = createGatewayApp(deps, health);
  await app.listen({ port: 0, host: "127.0.0.1" });
  return (app.server.address() as AddressInfo).port;
}

function serveLoad(): void {
  const drivers = new Map<number, Awaited<ReturnType<typeof openDriver>>>();
  let texts: string[] = [];
  const answer = async (order: Order): Promise<unknown> => {
    if (order.do === "open") {
      const { readFile } = await import("node:fs/promises");
      texts = JSON.parse(await readFile(order.file, "utf8"));
      drivers.get(order.port)?.close();
      drivers.set(
        order.port,
        await openDriver(
          order.port,
          texts.map((text) => Buffer.from(text)),
        ),
      );
      return null;
    }
    if (order.do === "all") {
      // Few at a time: a cold process that is stormed would rightly shed.
      const driver = await openDriver(
        order.port,
        texts.map((text) => Buffer.from(text)),
        2,
      );
      await driver.all();
      return driver.close();
    }
    if (order.do === "run") return drivers.get(order.port)!.run(order.ms);
    const driver = drivers.get(order.port)!;
    // A server whose load is another one's in between wakes first.
    await driver.pace({ ...order, ms: leadInMs });
    const { movedMs } = driver;
    const took = await driver.pace(order);
    return {
      took: [...took],
      movedMs: driver.movedMs - movedMs,
    };
  };
  process.on("message", (order: Order) =>
    answer(order).then(
      (value) => process.send?.({ value: value ?? null }),
      (error: Error) => process.send?.({ failed: error.message }),
    ),
  );
}

async function measure(): Promise<void> {
  const children: ChildProcess[] = [];
  const folder = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  progress("starting engines, and writing ten thousand people");
  const engines = await startTestEngines();
  const { databaseUrl, redisUrl } = engines;
  try {
    const secret = randomBytes(32).toString("base64url");
    const env = {
      NODE_ENV: "production",
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      SIGNALBOX_SECRET: secret,
      SIGNALBOX_DATA_DIR: folder,
    };
    await mkdir(join(folder, "control"));
    // One address sends all of this; everything else stays as it is by default.
    await writeFile(
      join(folder, "control", "override.json"),
      JSON.stringify({
        limits: { address: { rate: 1_000_000, burst: 10_000_000, by: "address" } },
        switches: { "users.profile.read": { state: "on" }, feed: { state: "off" } },
      }),
    );
    const { requests, body } = await prepare(databaseUrl, secret);
    const file = join(folder, "requests.json");
    await writeFile(file, JSON.stringify(requests));

    const start = async (role: string, words: string[] = []): Promise<ChildProcess> => {
      const child = fork(import.meta.filename, [role, ...words], {
        stdio: ["ignore", "ignore", "inherit", "ipc"],
        env: { ...process.env, ...env },
        // The peer is started as the api is.
        execArgv: role === "load" ? [] : nodeFlags.calls,
      });
      children.push(child);
      return child;
    };
    const startServer = async (role: Side, words: string[] = []): Promise<Server> => {
      const child = await start(role, words);
      const [port] = (await once(child, "message")) as [number];
      return { child, port };
    };
    const servers = {
      bare: await startServer("bare", [redisUrl, body]),
      gathered: await startServer("gathered", [redisUrl, body]),
      l1: await startServer("l1"),
      l2: await startServer("l2"),
    };
    const client = await start("load");
    const ask = async <T>(order: Order): Promise<T> => {
      client.send(order);
      const [said] = (await once(client, "message")) as [{ value?: T; failed?: string }];
      if (said.failed !== undefined) throw new Error(said.failed);
      return said.value as T;
    };
    const sides: Side[] = ["bare", "gathered", "l1", "l2"];
    for (const side of sides) {
      const { port } = servers[side];
      await ask({ do: "open", port, file });
      // Fills caches, and verifies each token for the first and only time.
      await ask({ do: "all", port });
      await ask({ do: "run", port, ms: 2_000 });
    }

    const rates: Record<Side, number[]> = { bare: [], gathered: [], l1: [], l2: [] };
    const spent: Record<Side, number[]> = { bare: [], gathered: [], l1: [], l2: [] };
    const cpuOf = async ({ child }: Server): Promise<number> => {
      child.send("cpu");
      const [microseconds] = (await once(child, "message")) as [number];
      return microseconds;
    };
    for (let round = 0; round < rounds; round += 1)
      for (const side of sides) {
        const before = await cpuOf(servers[side]);
        const rate = await ask<number>({ do: "run", port: servers[side].port, ms: roundMs });
        rates[side].push(rate);
        spent[side].push(((await cpuOf(servers[side])) - before) / ((rate * roundMs) / 1_000));
      }
    const ratio = (side: Side) => median(rates[side].map((rate, at) => rate / rates.bare[at]!));
    progress(
      sides
        .map(
          (side) =>
            `${side} ${Math.round(median(rates[side]))}/s (${ratio(side).toFixed(3)}, ${median(spent[side]).toFixed(1)} µs of a core each)`,
        )
        .join(", "),
    );

    const paced = (name: Side, rate: number) =>
      ask<Took>({ do: "pace", port: servers[name].port, rate, ms: paceMs });
    const added = async (side: "l1" | "l2") => {
      const pair: Side[] = ["bare", side];
      // Servers close what was quiet for a minute, as while the other side was measured.
      for (const name of pair) await ask({ do: "open", port: servers[name].port, file });
      const putBack = putFirst([
        ...pair.map((name) => servers[name].child.pid!),
        client.pid!,
        await pidOfRedis(redisUrl),
      ]);
      const { rates, counted } = await atHalfLoad({
        name: side,
        rounds: paceRounds,
        reach: () => ask<number>({ do: "run", port: servers[side].port, ms: roundMs }),
        pace: async (rate) => {
          // Each is the first and the last in turn, as what a server did right before may be felt.
          const [outer, inner] = pair.reverse() as [Side, Side];
          const ours: Took[] = [];
          const theirs: Took[] = [];
          for (const name of [outer, inner, inner, outer])
            (name === side ? ours : theirs).push(await paced(name, rate));
          return { ours, theirs };
        },
      }).finally(putBack);
      const told = (whose: keyof Round) => {
        const runs = counted.flatMap((round) => round[whose]);
        const p99s = runs.map(({ took }) => percentile(took, 0.99));
        const answers = runs.flatMap(({ took }) => took);
        const moved = runs.reduce((sum, { movedMs }) => sum + movedMs, 0) / (runs.length * paceMs);
        const p99 = percentile(answers, 0.99);
        const refused = answers.filter((took) => took === never).length / answers.length;
        const text =
          `p50 ${percentile(answers, 0.5).toFixed(2)}, p99 of all ${answers.length} answers ${p99.toFixed(2)} ms, of the run in the middle ` +
          `${median(p99s).toFixed(2)} (${(moved * 100).toFixed(1)} % moved, ${(refused * 100).toFixed(2)} % refused)`;
        return { p99, refused, text };
      };
      const [ours, theirs] = [told("ours"), told("theirs")];
      progress(`${side} at ${Math.round(median(rates))}/s: ${ours.text}; bare ${theirs.text}`);
      return { p99: ours.p99 - theirs.p99, refused: ours.refused };
    };
    // Who is not asked any more has upkeep to do all the same.
    await stop(servers.gathered.child);
    const addedL1 = await added("l1");
    await stop(servers.l1.child);
    const addedL2 = await added("l2");
    const decisions = await measureLimiter(redisUrl);

    const times = { unit: "x", bar: 0.7, better: "higher" as const };
    const ms = { unit: "ms", better: "lower" as const };
    report("gateway", [
      figure("cached profile from L1, requests/s, ours / bare Fastify with one GET", ratio("l1"), times),
      figure("cached profile from L2, requests/s, ours / bare Fastify with one GET", ratio("l2"), times),
      figure("p99 at half load from L1, ours - bare at the same rate", addedL1.p99, {
        ...ms,
        bar: 1,
      }),
      figure("p99 at half load from L2, ours - bare at the same rate", addedL2.p99, {
        ...ms,
        bar: 1,
      }),
      // One in a hundred would be the slowest of all, and no p99.
      figure("calls refused at half load", Math.max(addedL1.refused, addedL2.refused) * 100, {
        unit: "%",
        bar: 1,
        better: "lower",
      }),
      figure("decision of the shared limiter, p50", decisions.p50, { ...ms, bar: 0.1 }),
      figure("different tokens in the run", requests.length, {
        unit: "tokens",
        bar: 10_000,
        better: "higher",
      }),
    ]);
  } finally {
    await Promise.all(children.map(stop));
    await engines.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (!child.connected) return;
  const gone = once(child, "exit");
  child.disconnect();
  await gone;
}

type Took = { took: number[]; movedMs: number };

type Round = { ours: Took[]; theirs: Took[] };

/** People in the tables, and for each of them a token and a profile to read. */
async function prepare(databaseUrl: string, secret: string) {
  await migrate(databaseUrl);
  const { db, sql, close } = connectDatabase(databaseUrl, { name: "bench", poolSize: 2 });
  try {
    const ids = Array.from({ length: peopleCount }, () => newId());
    await sql`
      insert into users (id, handle, display_name)
      select id, 'person_' || at, 'Person ' || at from unnest(${ids}::uuid[]) with ordinality as one (id, at)`;
    await sql`insert into handles (handle, user_id) select handle, id from users`;
    await sql`insert into user_counts (user_id) select id from users`;
    const deps = {
      db,
      secret: Buffer.from(secret),
      publicUrl: "http://127.0.0.1:8080",
      now: () => new Date(),
    };
    const requests: string[] = [];
    for (const [at, id] of ids.entries()) {
      const token = await signAccess(deps, id, newId());
      requests.push(
        `GET /v1/users/person_${1 + ((at * 7) % profileCount)} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      );
    }
    const [id] = ids;
    const body = JSON.stringify({
      id,
      handle: "person_1",
      displayName: "Person 1",
      avatar: null,
      bio: "",
      links: [],
      counts: { followers: 0, following: 0 },
      createdAt: new Date().toISOString(),
    });
    return { requests, body };
  } finally {
    await close();
  }
}

/** Three instances over one Redis, callers of all kinds: one that calls all the time, some near their limit, many that call seldom. */
async function measureLimiter(redisUrl: string): Promise<{ p50: number; p99: number }> {
  const connections = Array.from({ length: 3 }, () => connectRedis(redisUrl));
  await Promise.all(connections.map((redis) => redis.ping()));
  const limiters = connections.map((redis) => createLimiter({ redis, instances: () => 3, prefix: "bench" }));
  const limit = { key: "user", value: limitSetting.parse({ rate: 200, burst: 1_000 }) };
  const took: number[] = [];
  const calls = 60_000;
  const decide = async (n: number) => {
    const limiter = limiters[n % 3]!;
    const subject = n % 4 === 0 ? "hot" : n % 4 === 1 ? `busy-${n % 50}` : `seldom-${n % peopleCount}`;
    const began = process.hrtime.bigint();
    const taken = limiter.take(limit, subject);
    if (typeof taken !== "number") await taken;
    took.push(Number(process.hrtime.bigint() - began) / 1e6);
  };
  for (let n = 0; n < calls; n += 32) {
    await Promise.all(Array.from({ length: 32 }, (_, at) => decide(n + at)));
    if (n % 320 === 0) await pause(1);
  }
  await Promise.all(limiters.map((limiter) => limiter.close()));
  for (const redis of connections) redis.disconnect();
  const [p50, p99] = [percentile(took, 0.5), percentile(took, 0.99)];
  progress(`limiter: p50 ${(p50 * 1_000).toFixed(1)} µs, p99 ${(p99 * 1_000).toFixed(1)} µs`);
  return { p50, p99 };
}
