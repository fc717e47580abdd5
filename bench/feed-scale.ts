// Whether a feed costs more when the tables are larger. Ten million posts and a million people take longer to write than a benchmark
// should run, so three sizes are measured (100,000 posts, the largest, and one between), each with a tenth as many people, who follow
// strangers; an index grows by its depth, so by a constant for each factor of ten, and the line through the logarithms of the sizes
// tells the rest. What is read: first pages, which come from a list, and pages below it, which come from the tables, by a reader who
// follows 100. Also looked at: that no query of a feed reads a table from end to end. `--posts N` changes the largest size.

import { newId } from "../packages/core/src/ids.ts";
import { openConnections, percentile } from "./harness/connection.ts";
import { drive, type FeedInstall, get, startFeedInstall } from "./harness/feed.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const largest = Number(process.argv[process.argv.indexOf("--posts") + 1]) || 1_000_000;
const smallest = Math.min(100_000, largest / 10);
const rounds = 5;
const roundMs = 2_000;
const pageSize = 20;
const followedCount = 100;

const install = await startFeedInstall(23_540);
try {
  const { people, sql, port } = install;
  const reader = await people.register("scroll");
  const readerId = await install.idOf(reader.token);
  const followed = await follow(install, readerId);
  await install.untilListed(readerId, reader.token);
  let cursor = "";
  for (let at = 0; at < 900; at += 100)
    cursor = (await people.call("GET", `/v1/feed?limit=100${cursor && `&cursor=${cursor}`}`, reader.token))
      .body.nextCursor;
  const requests = [
    get(`/v1/feed?limit=${pageSize}`, reader.token),
    get(`/v1/feed?limit=${pageSize}&cursor=${cursor}`, reader.token),
  ];
  const [connection] = await openConnections(port, 1);

  let n = 0;
  const next = () => requests[++n % requests.length]!;
  const sizes = [smallest, Math.round(Math.sqrt(smallest * largest)), largest];
  const p99s: number[] = [];
  let posts = 0;
  for (const size of sizes) {
    const began = performance.now();
    await grow(sql, posts, size);
    posts = size;
    progress(
      `${size.toLocaleString("en")} posts, ${Math.round((performance.now() - began) / 1_000)} s to write`,
    );
    await refuseScans(sql, [readerId, ...followed], cursor);
    await drive([connection!], 1_500, next, 200);
    const found: number[] = [];
    for (let round = 0; round < rounds; round += 1)
      found.push(percentile((await drive([connection!], roundMs, next, 200)).latencies, 0.99));
    p99s.push(median(found));
    progress(`  p99 ${median(found).toFixed(2)} ms`);
  }
  const words = (size: number) => size.toLocaleString("en");
  const lower = { unit: "x", bar: 1.3, better: "lower" } as const;
  report("feed-scale", [
    figure(`feed p99, ${words(largest)} / ${words(smallest)} posts`, p99s[2]! / p99s[0]!, lower),
    figure("feed p99, 10 million / 100,000 posts, extrapolated", extrapolate(sizes, p99s), lower),
  ]);
} finally {
  await install.stop();
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
async function grow(sql: FeedInstall["sql"], from: number, to: number): Promise<void> {
  const atOnce = 10_000;
  const person = (n: string) => sql.unsafe(`md5('person ' || (${n})::int)::uuid`);
  for (let n = Math.ceil(from / 10); n < to / 10; n += atOnce) {
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

/** As the feed asks them. */
async function refuseScans(sql: FeedInstall["sql"], authors: string[], cursor: string): Promise<void> {
  const place = Buffer.from(cursor.split(".")[0]!, "base64url").toString().slice(0, 36);
  const plans = {
    "a page below the list": sql`
      explain select post.id from unnest(${authors}::uuid[]) as author (id)
      cross join lateral (
        select id from posts where user_id = author.id and id < ${place} order by id desc limit ${pageSize + 1}
      ) as post
      order by post.id desc limit ${pageSize + 1}`,
    "posts by their ids": sql`explain select text from posts where id = any(${[place]}::uuid[])`,
    "whom someone follows": sql`explain select target_id from follows where user_id = ${authors[0]!} limit 5001`,
    "who follows someone": sql`
      explain select user_id from follows where target_id = ${authors[0]!} order by user_id limit 1000`,
  };
  for (const [what, query] of Object.entries(plans)) {
    const plan = (await query).map((row) => row["QUERY PLAN"] as string).join("\n");
    if (/Seq Scan/.test(plan)) throw new Error(`${what} reads a table from end to end:\n${plan}`);
  }
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
