// Takes everything that Redis holds away while people read and write, and looks at what readers were given then, how long their
// first read took, and how much the database was asked.

import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import type { TestInstall } from "./install.ts";
import { createPeople } from "./people.ts";

export type FlushReport = {
  reads: number;
  failed: number;
  /** Of each reader's first read after it. */
  firstMs: { p50: number; p99: number };
  /** Of acknowledged posts, by reader. */
  missing: string[];
  /** What the database was asked in the second after it, beyond what it is asked anyway, and while it was calm. */
  statements: number;
  calm: number;
  /** Posts that were written: the bus lost their events too, and takes them from the log again. */
  written: number;
};

export async function flushWhileReading(
  install: TestInstall,
  {
    readers: count,
    authors: authorCount,
    posts,
    atOnce,
    pauseMs,
  }: Record<"readers" | "authors" | "posts" | "atOnce" | "pauseMs", number>,
): Promise<FlushReport> {
  const { api, postgres: databaseUrl, redis: redisUrl } = install.runFile();
  const people = createPeople(api);
  const some = (name: string, number: number) =>
    Promise.all(Array.from({ length: number }, () => people.register(name)));
  const [readers, authors] = [await some("reader", count), await some("author", authorCount)];
  for (const reader of readers)
    await Promise.all(
      authors.map(({ handle }) => people.call("PUT", `/v1/users/${handle}/follow`, reader.token)),
    );
  const acknowledged: string[] = [];
  const write = async (n: number) => {
    const author = authors[n % authors.length]!;
    const { status, body } = await people.call("POST", "/v1/posts", author.token, { text: `post ${n}` });
    if (status === 201) acknowledged.push(body.id);
  };
  for (let n = 0; n < posts; n += 1) await write(n);
  // Warm: every list is there, and so is what the pages show.
  for (let times = 0; times < 2; times += 1)
    for (const { token } of readers) await people.call("GET", "/v1/feed", token);
  await pause(2_000);

  const sql = postgres(databaseUrl, { max: 1 });
  /** Each statement outside of a transaction is one of its own. */
  const asked = async () => {
    await sql`select pg_stat_force_next_flush(), pg_stat_clear_snapshot()`;
    const [row] = await sql<{ count: number }[]>`
      select (xact_commit + xact_rollback)::int as count from pg_stat_database where datname = current_database()`;
    return row!.count;
  };
  try {
    let isGoing = true;
    let [reads, failed, writes] = [0, 0, posts];
    const first = new Map<string, number>();
    let flushedAt = Number.POSITIVE_INFINITY;
    const reading = readers.flatMap((reader) =>
      Array.from({ length: atOnce }, async () => {
        while (isGoing) {
          const from = performance.now();
          const answer = await people.call("GET", "/v1/feed", reader.token).catch(() => undefined);
          reads += 1;
          if (answer?.status !== 200) failed += 1;
          if (from >= flushedAt && !first.has(reader.handle))
            first.set(reader.handle, performance.now() - from);
          await pause(pauseMs);
        }
      }),
    );
    const writing = (async () => {
      for (; isGoing; writes += 1) {
        await write(writes).catch(() => {});
        await pause(100);
      }
    })();
    await pause(1_000);
    const before = await asked();
    await pause(2_000);
    const calm = (await asked()) - before;
    const at = await asked();
    await flushAll(redisUrl);
    flushedAt = performance.now();
    await pause(2_000);
    const statements = (await asked()) - at - calm;
    isGoing = false;
    await Promise.all([...reading, writing]);
    const missing: string[] = [];
    for (const { token, handle } of readers) {
      const seen = new Set(await people.feed(token));
      missing.push(...acknowledged.filter((id) => !seen.has(id)).map((id) => `${handle} ${id}`));
    }
    const times = [...first.values()].sort((a, b) => a - b);
    const rank = (share: number) => times[Math.max(0, Math.ceil(times.length * share) - 1)] ?? Number.NaN;
    return {
      reads,
      failed,
      firstMs: { p50: rank(0.5), p99: rank(0.99) },
      missing,
      statements,
      calm,
      written: acknowledged.length,
    };
  } finally {
    await sql.end();
  }
}

async function flushAll(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write("FLUSHALL\r\n");
  const [answer] = await once(socket, "data");
  socket.destroy();
  if (!String(answer).startsWith("+OK")) throw new Error(`FLUSHALL answered ${answer}`);
}
