// One post of an author with 200,000 followers who all have a timeline, on a whole install: how long until the last of them holds
// it, and what others who read their feeds meanwhile notice. Then one with 200 followers, to the moment a follower sees it.
// `--followers N` changes how many.

import { setTimeout as pause } from "node:timers/promises";
import { startInstallForTest } from "../apps/cli/src/testing/install.ts";
import { createPeople } from "../apps/cli/src/testing/people.ts";
import { newId } from "../packages/core/src/ids.ts";
import { connectRedis } from "../packages/core/src/redis.ts";
import { connectDatabase } from "../packages/db/src/index.ts";
import { timelineKey } from "../packages/modules/src/feed/timeline.ts";
import { openConnections, pace, percentile } from "./harness/connection.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const followers = Number(process.argv[process.argv.indexOf("--followers") + 1]) || 200_000;
const rounds = 3;
/** What a list that is in use holds. */
const listed = 100;
const smallPosts = 200;

progress("starting an install of its own");
const install = await startInstallForTest({ portBase: 22_600 });
const run = install.runFile();
const redis = connectRedis(run.redis);
const { sql, close } = connectDatabase(run.postgres, { name: "bench", poolSize: 2 });

try {
  await prepareLimits();
  const people = createPeople(run.api);
  const idOf = async (token: string) => (await people.call("GET", "/v1/me", token)).body.id as string;
  const [star, reader, writer, fan] = await Promise.all(
    ["star", "reader", "writer", "fan"].map((name) => people.register(name)),
  );
  await people.call("PUT", `/v1/users/${writer!.handle}/follow`, reader!.token);
  await people.call("PUT", `/v1/users/${writer!.handle}/follow`, fan!.token);
  for (let n = 0; n < 30; n += 1)
    await people.call("POST", "/v1/posts", writer!.token, { text: `post ${n}` });
  await people.feed(reader!.token);
  await people.feed(fan!.token);

  progress(`${followers.toLocaleString("en")} followers with timelines`);
  const all = await follow(await idOf(star!.token), followers);
  await follow(await idOf(writer!.token), 199);

  const connections = await openConnections(Number(new URL(run.api).port), 4);
  const read = `GET /v1/feed HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${reader!.token}\r\n\r\n`;
  await pace(connections, { rate: 100, ms: 2_000 }, () => read);
  const quiet = await pace(connections, { rate: 100, ms: 3_000 }, () => read);
  const took: number[] = [];
  const meanwhile: number[] = [];
  const last = timelineKey(all.at(-1)!);
  for (let round = 0; round < rounds; round += 1) {
    const before = await redis.llen(last);
    const readers = pace(connections, { rate: 100, ms: 4_000 }, () => read);
    await pause(500);
    const began = performance.now();
    await people.call("POST", "/v1/posts", star!.token, { text: "to everyone" });
    while ((await redis.llen(last)) === before) {
      if (performance.now() - began > 60_000) throw new Error("the last follower was not reached");
      await pause(5);
    }
    took.push(performance.now() - began);
    const { latencies, failures } = await readers;
    if (failures > 0) throw new Error(`${failures} feeds were not answered meanwhile`);
    meanwhile.push(percentile(latencies, 0.99));
    progress(`  ${took.at(-1)!.toFixed(0)} ms, others' p99 ${meanwhile.at(-1)!.toFixed(1)} ms`);
  }
  const missing = await countMissing(all);

  progress("posts of an author with 200 followers");
  const visible: number[] = [];
  for (let n = 0; n < smallPosts; n += 1) {
    const began = performance.now();
    const { body } = await people.call("POST", "/v1/posts", writer!.token, { text: `seen ${n}` });
    for (;;) {
      const page = await people.call("GET", "/v1/feed?limit=1", fan!.token);
      if (page.body.items[0]?.id === body.id) break;
      if (performance.now() - began > 10_000) throw new Error("a follower never saw a post");
      await pause(2);
    }
    visible.push(performance.now() - began);
    await pause(10);
  }

  const lower = (unit: string, bar: number) => ({ unit, bar, better: "lower" as const });
  report("fanout", [
    figure("last of all followers", median(took), lower("ms", 2_000 * (followers / 200_000))),
    figure("inserts", (followers / median(took)) * 1_000, { unit: "/s", bar: 120_000, better: "higher" }),
    figure("others' feeds meanwhile, p99", median(meanwhile), lower("ms", 50)),
    figure("others' feeds when it is quiet, p99", percentile(quiet.latencies, 0.99), lower("ms", 50)),
    figure("timelines that lack it or hold it twice", missing, lower("timelines", 0)),
    figure("200 followers: sent to visible, p50", percentile(visible, 0.5), lower("ms", 25)),
    figure("200 followers: sent to visible, p99", percentile(visible, 0.99), lower("ms", 150)),
  ]);
} finally {
  redis.disconnect();
  await close();
  await install.stop();
}

/** In the order of ids, which is the order of the fan-out. Each has a list with some entries and a floor. */
async function follow(targetId: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newId()).sort();
  const entries = Array.from({ length: listed }, () =>
    Buffer.from(newId().replaceAll("-", ""), "hex"),
  ).reverse();
  for (let from = 0; from < ids.length; from += 5_000) {
    const part = ids.slice(from, from + 5_000);
    await sql`insert into follows (user_id, target_id) select unnest(${part}::uuid[]), ${targetId}`;
    const pipeline = redis.pipeline();
    for (const id of part) pipeline.rpush(timelineKey(id), ...entries);
    await pipeline.exec();
  }
  return ids;
}

async function countMissing(ids: string[]): Promise<number> {
  let missing = 0;
  for (let from = 0; from < ids.length; from += 10_000) {
    const pipeline = redis.pipeline();
    for (const id of ids.slice(from, from + 10_000)) pipeline.llen(timelineKey(id));
    for (const [, length] of (await pipeline.exec())!) if (length !== listed + rounds) missing += 1;
  }
  return missing;
}

async function prepareLimits(): Promise<void> {
  for (const [path, values] of [
    ["limits/address", { rate: 1_000_000, burst: 10_000_000 }],
    ["limits/user", { rate: 1_000_000, burst: 10_000_000 }],
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
