// Creating posts and reading home feeds on a whole install, each beside the least that could do the same in the same run: a bare
// postgres.js transaction that writes the same two rows, and a bare Fastify route that does the same Redis reads and returns strings
// (the list by an LRANGE, then the posts whose ids stand first in it by one MGET, as the real route does). In turns, so that both meet the same machine, with the same pool, durability
// and connections. Then what 50 authors who are fetched instead of pushed add.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import fastify from "fastify";
import { newId } from "../packages/core/src/ids.ts";
import { connectRedis } from "../packages/core/src/redis.ts";
import { connectDatabase } from "../packages/db/src/index.ts";
import { timelineKey } from "../packages/modules/src/feed/timeline.ts";
import { type Connection, openConnections, percentile } from "./harness/connection.ts";
import { type Driven, drive, type FeedInstall, get, startFeedInstall } from "./harness/feed.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const concurrency = 16;
const rounds = 5;
const roundMs = 2_500;
/** Until what runs is compiled: a server meets its load for days, and not in its first seconds. */
const warmUpMs = 10_000;
const settleMs = 500;
const pageSize = 20;
const pulledCount = 50;

type Peer = { redis: string; postgres: string; timeline: string; userId: string };

function postKey(id: Buffer): string {
  const hex = id.toString("hex");
  return `cache:{feed.post:${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}}`;
}

if (process.send && process.argv[2] === "peer") await bePeer(JSON.parse(process.argv[3]!));

async function bePeer({ redis: url, postgres, timeline, userId }: Peer): Promise<never> {
  const redis = connectRedis(url);
  const { sql } = connectDatabase(postgres, { name: "bench peer" });
  const app = fastify();
  app.get("/feed", async (_request, reply) => {
    const ids = await redis.lrangeBuffer(timeline, 0, -1);
    const found = await redis.mget(ids.slice(0, pageSize).map(postKey));
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

const post = (path: string, token: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: bench\r\n${token ? `Authorization: Bearer ${token}\r\n` : ""}` +
  `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const install = await startFeedInstall(23_500);
const { run, people, port } = install;
let peer: ChildProcess | undefined;

try {
  const reader = await people.register("reader");
  const writers = await Promise.all(Array.from({ length: 10 }, () => people.register("writer")));
  for (const { handle } of writers) await people.call("PUT", `/v1/users/${handle}/follow`, reader.token);
  await pause(1_000);
  for (let n = 0; n < 60; n += 1)
    await people.call("POST", "/v1/posts", writers[n % 10]!.token, {
      text: `a post of some length, number ${n}`,
    });
  const readerId = await install.idOf(reader.token);
  await install.untilListed(readerId, reader.token);
  // What the peer reads lies in the cache by then.
  await people.call("GET", `/v1/feed?limit=${pageSize}`, reader.token);
  peer = fork(import.meta.filename, [
    "peer",
    JSON.stringify({
      redis: run.redis,
      postgres: run.postgres,
      timeline: timelineKey(readerId),
      userId: newId(),
    } satisfies Peer),
  ]);
  const [peerPort] = (await once(peer, "message")) as [number];

  const read = get(`/v1/feed?limit=${pageSize}`, reader.token);
  const ours = await openConnections(port, concurrency);
  const bare = await openConnections(peerPort, concurrency);

  progress("home feeds, beside a bare route that does the same Redis reads");
  const reads = await beside(
    (ms) => drive(ours, ms, () => read, 200),
    (ms) => drive(bare, ms, () => get("/feed"), 200),
  );
  const alone = await drive(ours.slice(0, 1), roundMs, () => read, 200);

  progress("new posts, beside a bare transaction that writes the same two rows");
  let n = 0;
  const text = () => JSON.stringify({ text: `a post of some length, number ${n}` });
  const creates = await beside(
    (ms) => drive(ours, ms, () => post("/v1/posts", writers[++n % 10]!.token, text()), 201),
    (ms) => drive(bare, ms, () => post("/posts", "", text()), 201),
  );

  progress(`${pulledCount} authors who are fetched instead of pushed`);
  const added = await measurePulled(install, ours[0]!);

  const lower = (unit: string, bar: number) => ({ unit, bar, better: "lower" as const });
  report("feed", [
    figure("create post, ours / bare transaction", creates.ratio, { unit: "x", bar: 0.5, better: "higher" }),
    figure(`create post at concurrency ${concurrency}, p99`, creates.p99, lower("ms", 40)),
    figure("home feed, ours / bare route", reads.ratio, { unit: "x", bar: 0.55, better: "higher" }),
    figure(`home feed at concurrency ${concurrency}, p99`, reads.p99, lower("ms", 25)),
    figure("home feed alone, p50", percentile(alone.latencies, 0.5), lower("ms", 1.5)),
    figure(`${pulledCount} pulled authors add, p95`, added, lower("ms", 10)),
  ]);
} finally {
  peer?.disconnect();
  await install.stop();
}

/** In turns, so that both meet the same machine. */
async function beside(
  measure: (ms: number) => Promise<Driven>,
  measurePeer: (ms: number) => Promise<Driven>,
): Promise<{ ratio: number; p99: number }> {
  const ratios: number[] = [];
  const latencies: number[] = [];
  await measure(warmUpMs);
  await measurePeer(warmUpMs);
  for (let round = 0; round < rounds; round += 1) {
    // By turns the first, and with what the other left to workers done.
    const first = await (round % 2 === 0 ? measure : measurePeer)(roundMs);
    await pause(settleMs);
    const second = await (round % 2 === 0 ? measurePeer : measure)(roundMs);
    await pause(settleMs);
    const [mine, its] = round % 2 === 0 ? [first, second] : [second, first];
    ratios.push(mine.rate / its.rate);
    latencies.push(...mine.latencies);
    progress(`  ${mine.rate.toFixed(0)}/s beside ${its.rate.toFixed(0)}/s`);
  }
  return { ratio: median(ratios), p99: percentile(latencies, 0.99) };
}

async function measurePulled({ people, sql, redis, ...install }: FeedInstall, connection: Connection) {
  const reader = await people.register("fan");
  const readerId = await install.idOf(reader.token);
  const stars = Array.from({ length: pulledCount }, () => newId());
  await install.addPeople(stars);
  await sql`insert into follows (user_id, target_id) select ${readerId}, unnest(${stars}::uuid[])`;
  for (const star of stars)
    await sql`
      insert into posts (user_id, id, text) select ${star}, unnest(${Array.from({ length: 40 }, () => newId())}::uuid[]), 'from a star'`;
  await install.untilListed(readerId, reader.token);
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
