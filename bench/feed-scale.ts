// Whether a feed costs more when the tables are larger. Ten million posts and a million people take longer to write than a benchmark
// should run, so three sizes are measured (100,000 posts, the largest, and one between), each with a tenth as many people, who follow
// strangers; an index grows by its depth, so by a constant for each factor of ten, and the line through the logarithms of the sizes
// tells the rest. What is read: first pages, which come from a list, and pages below it, which come from the tables, by a reader who
// follows 100. Each size is an install of its own, and they are measured by turns, so that all meet the same machine; before that each is
// left alone until what the writing brought about is over: the log decoded, the tables vacuumed, the changed pages on the disk.
// A round's figure is its time over that of the smallest in the same round; of the rounds the median counts. Also looked at: that
// no query of a feed reads a table from end to end, and how many blocks of the tables and their indexes a page touches, which no other
// load on the machine changes. `--posts N` changes the largest size.

import { setTimeout as pause } from "node:timers/promises";
import { newId } from "../packages/core/src/ids.ts";
import { connectDatabase } from "../packages/db/src/index.ts";
import { type Connection, openConnections, percentile } from "./harness/connection.ts";
import { drive, type FeedInstall, get, startFeedInstall } from "./harness/feed.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const largest = Number(process.argv[process.argv.indexOf("--posts") + 1]) || 1_000_000;
const smallest = Math.min(100_000, largest / 10);
const sizes = [smallest, Math.round(Math.sqrt(smallest * largest)), largest];
const rounds = 12;
const roundMs = 1_200;
const warmMs = 1_500;
const pageSize = 20;
const followedCount = 100;

type Sized = { install: FeedInstall; blocks: number; measure(ms: number): Promise<number[]> };

const all: Sized[] = [];
try {
  for (const [at, size] of sizes.entries()) all.push(await prepare(size, 23_540 + 20 * at));
  for (const { measure } of all) await measure(warmMs);
  const times = { p50: [] as number[][], p99: [] as number[][] };
  for (let round = 0; round < rounds; round += 1) {
    const found: number[][] = [];
    // By turns the first.
    for (let n = 0; n < all.length; n += 1) {
      const at = (n + round) % all.length;
      found[at] = await all[at]!.measure(roundMs);
    }
    for (const [name, share] of [["p50", 0.5] as const, ["p99", 0.99] as const])
      times[name].push(found.map((latencies) => percentile(latencies, share)));
  }
  const words = (size: number) => size.toLocaleString("en");
  for (const [at, size] of sizes.entries()) {
    const [p50, p99] = [times.p50, times.p99].map((rows) => median(rows.map((row) => row[at]!)));
    progress(
      `  ${words(size)} posts: p50 ${p50!.toFixed(2)} ms, p99 ${p99!.toFixed(2)} ms, ${all[at]!.blocks} blocks a page below the list`,
    );
  }
  const ratios = (rows: number[][]) => sizes.map((_, at) => median(rows.map((row) => row[at]! / row[0]!)));
  const lower = { unit: "x", bar: 1.3, better: "lower" } as const;
  report("feed-scale", [
    figure(`feed p50, ${words(largest)} / ${words(smallest)} posts`, ratios(times.p50)[2]!, lower),
    figure(`feed p99, ${words(largest)} / ${words(smallest)} posts`, ratios(times.p99)[2]!, lower),
    figure(
      "feed p99, 10 million / 100,000 posts, extrapolated",
      extrapolate(sizes, ratios(times.p99)),
      lower,
    ),
    figure(
      "blocks a page touches, 10 million / 100,000 posts, extrapolated",
      extrapolate(
        sizes,
        all.map(({ blocks }) => blocks),
      ),
      lower,
    ),
  ]);
} finally {
  for (const { install } of all) await install.stop();
}

async function prepare(size: number, portBase: number): Promise<Sized> {
  const install = await startFeedInstall(portBase);
  const { people, sql, port } = install;
  const began = performance.now();
  const { watch: writer, close } = connectDatabase(install.run.postgres, { name: "bench", poolSize: 1 });
  // Without the end that the platform sets to its statements; one connection, so it is said once.
  await writer`set statement_timeout = 0`;
  await fill(writer, size);
  progress(
    `${size.toLocaleString("en")} posts, ${Math.round((performance.now() - began) / 1_000)} s to write`,
  );
  const reader = await people.register("scroll");
  const readerId = await install.idOf(reader.token);
  const followed = await follow(install, readerId);
  await settle(writer);
  await close();
  await install.untilListed(readerId, reader.token);
  let cursor = "";
  for (let at = 0; at < 900; at += 100)
    cursor = (await people.call("GET", `/v1/feed?limit=100${cursor && `&cursor=${cursor}`}`, reader.token))
      .body.nextCursor;
  const requests = [
    get(`/v1/feed?limit=${pageSize}`, reader.token),
    get(`/v1/feed?limit=${pageSize}&cursor=${cursor}`, reader.token),
  ];
  // Opened when it is used: the server ends one that nothing comes over while the next size is written.
  let connections: Promise<Connection[]> | undefined;
  let n = 0;
  const next = () => requests[++n % requests.length]!;
  return {
    install,
    blocks: await blocksOfPage(sql, [readerId, ...followed], cursor),
    async measure(ms) {
      connections ??= openConnections(port, 1);
      return (await drive(await connections, ms, next, 200)).latencies;
    },
  };
}

/** What the writing set going is over. */
async function settle(sql: FeedInstall["sql"]): Promise<void> {
  for (const table of ["posts", "follows", "users", "user_counts"])
    await sql.unsafe(`vacuum analyze ${table}`);
  await sql`checkpoint`;
  await sql`select pg_logical_emit_message(true, 'bench', 'up to here')`;
  const [here] = await sql<{ lsn: string }[]>`select pg_current_wal_flush_lsn()::text as lsn`;
  for (const end = performance.now() + 60_000; performance.now() < end; await pause(200)) {
    const [left] = await sql<{ behind: number }[]>`
      select (select count(*) from pg_replication_slots where active and confirmed_flush_lsn < ${here!.lsn}::pg_lsn)::int
        + (select count(*) from pg_stat_progress_vacuum)::int + (select count(*) from pg_stat_progress_analyze)::int as behind`;
    if (left!.behind === 0) return;
  }
  progress("  the install is still at work with what was written");
}

async function follow({ sql, addPeople }: FeedInstall, readerId: string): Promise<string[]> {
  const followed = Array.from({ length: followedCount }, () => newId());
  await addPeople(followed);
  await sql`insert into follows (user_id, target_id) select ${readerId}, unnest(${followed}::uuid[])`;
  for (const author of followed)
    await sql`
      insert into posts (user_id, id, text)
      select ${author}, unnest(${Array.from({ length: 20 }, () => newId())}::uuid[]), 'to be read'`;
  return followed;
}

/** Ten posts and two follows a person, strangers to the reader, spread over a year. */
async function fill(sql: FeedInstall["sql"], to: number): Promise<void> {
  const atOnce = 10_000;
  const person = (n: string) => sql.unsafe(`md5('person ' || (${n})::int)::uuid`);
  for (let n = 0; n < to / 10; n += atOnce) {
    const end = Math.min(n + atOnce, Math.ceil(to / 10)) - 1;
    await sql`
      with made as (select ${person("n")} as id, n from generate_series(${n}::int, ${end}::int) as n),
      counted as (insert into user_counts (user_id) select id from made)
      insert into users (id, handle, display_name) select id, 's' || n, 'stranger' from made`;
    await sql`
      insert into follows (user_id, target_id)
      select ${person("n")}, ${person("random() * (n - 1)")} from generate_series(${Math.max(n, 1)}::int, ${end}::int) as n, generate_series(1, 2)
      on conflict do nothing`;
    await sql`
      with made as (
        select n, gen_random_uuid()::text as id,
          lpad(to_hex((extract(epoch from now() - random() * interval '1 year') * 1000)::bigint), 12, '0') as at
        from generate_series(${n}::int, ${end}::int) as n, generate_series(1, 10)
      )
      insert into posts (user_id, id, text)
      select ${person("n")}, (left(at, 8) || '-' || right(at, 4) || '-7' || right(id, 21))::uuid, 'of a stranger' from made`;
  }
  await sql`vacuum analyze posts`;
  await sql`vacuum analyze follows`;
  await sql`vacuum analyze users`;
}

/** As the feed asks them: none may read a table from end to end. Answers how many blocks a page below the list takes. */
async function blocksOfPage(sql: FeedInstall["sql"], authors: string[], cursor: string): Promise<number> {
  const [place = ""] =
    Buffer.from(cursor.split(".")[0]!, "base64url")
      .toString()
      .match(/[\da-f-]{36}/) ?? [];
  const plans = {
    "a page below the list": sql`
      explain (analyze, buffers, timing off) select post.id from unnest(${authors}::uuid[]) as author (id)
      cross join lateral (
        select id from posts where user_id = author.id and id < ${place} order by id desc limit ${pageSize + 1}
      ) as post
      order by post.id desc limit ${pageSize + 1}`,
    "posts by their ids": sql`explain select text from posts where id = any(${[place]}::uuid[])`,
    "whom someone follows": sql`explain select target_id from follows where user_id = ${authors[0]!} limit 5001`,
    "who follows someone": sql`
      explain select user_id from follows where target_id = ${authors[0]!} order by user_id limit 1000`,
  };
  let blocks = 0;
  for (const [what, query] of Object.entries(plans)) {
    const plan = (await query).map((row) => row["QUERY PLAN"] as string).join("\n");
    if (/Seq Scan/.test(plan)) throw new Error(`${what} reads a table from end to end:\n${plan}`);
    // The first line that tells of them is the whole plan's.
    const [told = ""] = plan.match(/Buffers: .*/) ?? [];
    for (const [, count] of told.matchAll(/(?:hit|read)=(\d+)/g)) blocks += Number(count);
  }
  if (blocks === 0) throw new Error("the plans tell of no blocks");
  return blocks;
}

function extrapolate(sizes: number[], values: number[]): number {
  const x = sizes.map((size) => Math.log10(size));
  const mean = (of: number[]) => of.reduce((a, b) => a + b) / of.length;
  const [meanX, meanY] = [mean(x), mean(values)];
  const slope =
    x.reduce((sum, at, n) => sum + (at - meanX) * (values[n]! - meanY), 0) /
    x.reduce((sum, at) => sum + (at - meanX) ** 2, 0);
  const at = (size: number) => meanY + slope * (Math.log10(size) - meanX);
  return at(10_000_000) / at(100_000);
}
