// Creating posts and reading home feeds on a whole install, each beside the least that could do the same in the same run: a bare
// postgres.js transaction that writes the same two rows, and a bare Fastify route that does the same Redis reads and returns
// strings. Then what 50 authors who are fetched instead of pushed add, and whether a read costs more when the tables are ten times
// as large. `--posts N` changes how large the tables become.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import fastify from "fastify";
import { startInstallForTest } from "../apps/cli/src/testing/install.ts";
import { createPeople } from "../apps/cli/src/testing/people.ts";
import { newId } from "../packages/core/src/ids.ts";
import { connectRedis } from "../packages/core/src/redis.ts";
import { connectDatabase } from "../packages/db/src/index.ts";
import { timelineKey } from "../packages/modules/src/feed/timeline.ts";
import { type Connection, openConnections, percentile } from "./harness/connection.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const portBase = 23_500;
const concurrency = 16;
const rounds = 3;
const roundMs = 2_500;
const pageSize = 20;
const pulledCount = 50;
const largest = Number(process.argv[process.argv.indexOf("--posts") + 1]) || 1_000_000;

type Peer = { redis: string; postgres: string; timeline: string; posts: string[]; userId: string };

if (process.send && process.argv[2] === "peer") await bePeer(JSON.parse(process.argv[3]!));

async function bePeer({ redis: url, postgres, timeline, posts, userId }: Peer): Promise<never> {
  const redis = connectRedis(url);
  const { sql } = connectDatabase(postgres, { name: "bench peer" });
  const app = fastify();
  app.get("/feed", async (_request, reply) => {
    const [, found] = await Promise.all([
      redis.lrangeBuffer(timeline, 0, -1),
      Promise.all(posts.map((key) => redis.get(key))),
    ]);
    reply.header("content-type", "application/json; charset=utf-8");
    return `{"items":[${found.join(",")}],"nextCursor":null}`;
  });
  app.post("/posts", async (request, reply) => {
    const { text } = request.body as { text: string };
    const id = newId();
    await sql.begin(async (sql) => {
      await sql`insert into posts (user_id, id, text) values (${userId}, ${id}, ${text})`;
      await sql`
        insert into outbox (id, key, topic, version, payload, request_id)
        values (${newId()}, ${userId}, 'bench.posted', 1, ${sql.json({ userId, id })}, 'bench')`;
    });
    reply.code(201);
    return { id, text };
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  process.send!((app.server.address() as AddressInfo).port);
  await once(process, "disconnect");
  process.exit();
}

const get = (path: string, token = "") =>
  `GET ${path} HTTP/1.1\r\nHost: bench\r\n${token ? `Authorization: Bearer ${token}\r\n` : ""}\r\n`;
const post = (path: string, token: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: bench\r\n${token ? `Authorization: Bearer ${token}\r\n` : ""}` +
  `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

/** Every connection busy all the time; a wrong answer ends the run. */
async function drive(connections: Connection[], ms: number, next: () => string, wanted: number) {
  const latencies: number[] = [];
  const began = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() < began + ms) {
        const sentAt = performance.now();
        const { status, body } = await connection.ask(next());
        if (status !== wanted) throw new Error(`expected ${wanted}, got ${status}: ${body.slice(0, 300)}`);
        latencies.push(performance.now() - sentAt);
      }
    }),
  );
  return { rate: (latencies.length / (performance.now() - began)) * 1_000, latencies };
}

progress("starting an install of its own");
const install = await startInstallForTest({ portBase });
const run = install.runFile();
const port = Number(new URL(run.api).port);
const database = connectDatabase(run.postgres, { name: "bench", poolSize: 2 });
const redis = connectRedis(run.redis);
let peer: ChildProcess | undefined;

try {
  await liftLimits();
  const people = createPeople(run.api);
  const reader = await people.register("reader");
  const writers = await Promise.all(Array.from({ length: 10 }, () => people.register("writer")));
  for (const { handle } of writers) await people.call("PUT", `/v1/users/${handle}/follow`, reader.token);
  await pause(1_000);
  for (let n = 0; n < 60; n += 1)
    await people.call("POST", "/v1/posts", writers[n % 10]!.token, {
      text: `a post of some length, number ${n}`,
    });
  const readerId = (await people.call("GET", "/v1/me", reader.token)).body.id as string;
  await untilListed(readerId, reader.token);
  const first = await people.call("GET", `/v1/feed?limit=${pageSize}`, reader.token);
  const ids = (first.body.items as { id: string }[]).map(({ id }) => id);
  peer = fork(import.meta.filename, [
    "peer",
    JSON.stringify({
      redis: run.redis,
      postgres: run.postgres,
      timeline: timelineKey(readerId),
      posts: ids.map((id) => `cache:{feed.post:${id}}`),
      userId: newId(),
    } satisfies Peer),
  ]);
  const [peerPort] = (await once(peer, "message")) as [number];

  const read = get(`/v1/feed?limit=${pageSize}`, reader.token);
  const ours = await openConnections(port, concurrency);
  const bare = await openConnections(peerPort, concurrency);

  progress("home feeds, beside a bare route that does the same Redis reads");
  const reads = await beside(
    () => drive(ours, roundMs, () => read, 200),
    () => drive(bare, roundMs, () => get("/feed"), 200),
  );
  const alone = await drive(ours.slice(0, 1), roundMs, () => read, 200);

  progress("new posts, beside a bare transaction that writes the same two rows");
  let n = 0;
  const text = () => JSON.stringify({ text: `a post of some length, number ${n}` });
  const creates = await beside(
    () => drive(ours, roundMs, () => post("/v1/posts", writers[++n % 10]!.token, text()), 201),
    () => drive(bare, roundMs, () => post("/posts", "", text()), 201),
  );

  progress(`${pulledCount} authors who are fetched instead of pushed`);
  const added = await measurePulled(people, ours[0]!);
  const growth = await measureGrowth(people, ours[0]!);

  const lower = (unit: string, bar: number) => ({ unit, bar, better: "lower" as const });
  report("feed", [
    figure("create post, ours / bare transaction", creates.ratio, { unit: "x", bar: 0.5, better: "higher" }),
    figure(`create post at concurrency ${concurrency}, p99`, creates.p99, lower("ms", 40)),
    figure("home feed, ours / bare route", reads.ratio, { unit: "x", bar: 0.55, better: "higher" }),
    figure(`home feed at concurrency ${concurrency}, p99`, reads.p99, lower("ms", 25)),
    figure("home feed alone, p50", percentile(alone.latencies, 0.5), lower("ms", 1.5)),
    figure(`${pulledCount} pulled authors add, p95`, added, lower("ms", 10)),
    figure(`feed p99, ${growth.largest} / ${growth.smallest} posts`, growth.ratio, lower("x", 1.3)),
    figure("feed p99, 10 million / 100,000 posts, extrapolated", growth.extrapolated, lower("x", 1.3)),
  ]);
} finally {
  peer?.disconnect();
  redis.disconnect();
  await database.close();
  await install.stop();
}

/** In turns, so that both meet the same machine. */
async function beside(
  measure: () => ReturnType<typeof drive>,
  measurePeer: () => ReturnType<typeof drive>,
): Promise<{ ratio: number; p99: number }> {
  const ratios: number[] = [];
  const latencies: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const mine = await measure();
    const its = await measurePeer();
    // The first warms both up.
    if (round === 0) continue;
    ratios.push(mine.rate / its.rate);
    latencies.push(...mine.latencies);
    progress(`  ${mine.rate.toFixed(0)}/s beside ${its.rate.toFixed(0)}/s`);
  }
  return { ratio: median(ratios), p99: percentile(latencies, 0.99) };
}

async function measurePulled(people: ReturnType<typeof createPeople>, connection: Connection) {
  const { sql } = database;
  const reader = await people.register("fan");
  const readerId = (await people.call("GET", "/v1/me", reader.token)).body.id as string;
  const stars = Array.from({ length: pulledCount }, () => newId());
  await addPeople(stars);
  await sql`insert into follows (user_id, target_id) select ${readerId}, unnest(${stars}::uuid[])`;
  for (const star of stars)
    await sql`
      insert into posts (user_id, id, text) select ${star}, unnest(${Array.from({ length: 40 }, () => newId())}::uuid[]), 'from a star'`;
  await untilListed(readerId, reader.token);
  const read = get(`/v1/feed?limit=${pageSize}`, reader.token);
  await drive([connection], 1_000, () => read, 200);
  const without = await drive([connection], roundMs, () => read, 200);
  await sql`insert into pulled_authors (user_id) select unnest(${stars}::uuid[])`;
  // Longer than a process remembers who is pulled.
  await redis.del("cache:{feed.pulled:all}");
  await pause(2_500);
  await drive([connection], 1_000, () => read, 200);
  const fetched = await drive([connection], roundMs, () => read, 200);
  return percentile(fetched.latencies, 0.95) - percentile(without.latencies, 0.95);
}

/** First pages from the list, and pages below it from the database. A reader follows 100 of everyone. */
async function measureGrowth(people: ReturnType<typeof createPeople>, connection: Connection) {
  const { sql } = database;
  const smallest = Math.min(100_000, largest / 10);
  const reader = await people.register("scroll");
  const readerId = (await people.call("GET", "/v1/me", reader.token)).body.id as string;
  const followed = Array.from({ length: 100 }, () => newId());
  await addPeople(followed);
  await sql`insert into follows (user_id, target_id) select ${readerId}, unnest(${followed}::uuid[])`;
  for (const author of followed)
    await sql`
      insert into posts (user_id, id, text)
      select ${author}, unnest(${Array.from({ length: 20 }, () => newId())}::uuid[]), 'to be read'`;
  await untilListed(readerId, reader.token);
  let cursor = "";
  for (let at = 0; at < 900; at += 100)
    cursor = (await people.call("GET", `/v1/feed?limit=100${cursor && `&cursor=${cursor}`}`, reader.token))
      .body.nextCursor;
  const requests = [
    get(`/v1/feed?limit=${pageSize}`, reader.token),
    get(`/v1/feed?limit=${pageSize}&cursor=${cursor}`, reader.token),
  ];
  let posts = 0;
  const grow = async (size: number) => {
    // Ten posts a person, strangers to the reader, spread over a year.
    for (; posts < size; posts += 50_000)
      await sql`
        with made as (
          select case when n % 10 = 0 then gen_random_uuid() end as author, gen_random_uuid()::text as id,
            lpad(to_hex((extract(epoch from now() - random() * interval '1 year') * 1000)::bigint), 12, '0') as at
          from generate_series(1, 50000) as n
        )
        insert into posts (user_id, id, text)
        select coalesce(author, md5((random() * 1e9)::int % ${Math.ceil(size / 10)} || '')::uuid),
          (left(at, 8) || '-' || right(at, 4) || '-7' || right(id, 21))::uuid, 'of a stranger'
        from made`;
    await sql`vacuum analyze posts`;
  };
  const p99At = async (size: number) => {
    progress(`${size.toLocaleString("en")} posts`);
    await grow(size);
    let n = 0;
    const next = () => requests[++n % requests.length]!;
    await drive([connection], 1_000, next, 200);
    const found: number[] = [];
    for (let round = 0; round < rounds; round += 1)
      found.push(percentile((await drive([connection], roundMs, next, 200)).latencies, 0.99));
    progress(`  p99 ${median(found).toFixed(2)} ms`);
    return median(found);
  };
  const sizes = [smallest, Math.round(Math.sqrt(smallest * largest)), largest];
  const found: number[] = [];
  for (const size of sizes) found.push(await p99At(size));
  // An index grows by its depth, so by a constant for each factor of ten: the line through the logarithms of the sizes.
  const x = sizes.map((size) => Math.log10(size));
  const [meanX, meanY] = [x.reduce((a, b) => a + b) / 3, found.reduce((a, b) => a + b) / 3];
  const slope =
    x.reduce((sum, at, n) => sum + (at - meanX) * (found[n]! - meanY), 0) /
    x.reduce((sum, at) => sum + (at - meanX) ** 2, 0);
  const at = (size: number) => meanY + slope * (Math.log10(size) - meanX);
  return {
    smallest: smallest.toLocaleString("en"),
    largest: largest.toLocaleString("en"),
    ratio: found[2]! / found[0]!,
    extrapolated: at(10_000_000) / at(100_000),
  };
}

async function addPeople(ids: string[]): Promise<void> {
  const { sql } = database;
  const handles = ids.map((id) => `p${id.replaceAll("-", "").slice(-20)}`);
  await sql`
    insert into users (id, handle, display_name) select id, handle, handle
    from unnest(${ids}::uuid[], ${handles}::text[]) as person (id, handle)`;
  await sql`insert into user_counts (user_id) select unnest(${ids}::uuid[])`;
}

/** Until the reader's list is built; the first read begins it. */
async function untilListed(userId: string, token: string): Promise<void> {
  const people = createPeople(run.api);
  for (let tries = 0; tries < 200; tries += 1) {
    await people.call("GET", "/v1/feed", token);
    const last = await redis.lindexBuffer(timelineKey(userId), -1);
    if (last?.length === 16) return;
    await pause(50);
  }
  throw new Error("the reader's timeline was not built");
}

/** One address sends all of this, and a machine that others use too must not look overloaded. */
async function liftLimits(): Promise<void> {
  const limit = { rate: 1_000_000, burst: 10_000_000 };
  for (const [path, values] of [
    ["limits/address", limit],
    ["limits/user", limit],
    ["limits/auth.account.register", limit],
    ["shed/*", { minInFlight: 256, eventLoopDelayMs: 10_000 }],
  ] as const) {
    const answer = await fetch(`${run.operator}/operator/v1/${path}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${install.operatorToken}`, "content-type": "application/json" },
      body: JSON.stringify({ ...values, reason: "a benchmark is one address" }),
    });
    if (!answer.ok) throw new Error(`${path} could not be changed: ${await answer.text()}`);
  }
}
