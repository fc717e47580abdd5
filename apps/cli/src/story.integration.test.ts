import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connectRedis } from "@signalbox/core/redis";
import postgres from "postgres";
import { freePortBase } from "./testing/harness.ts";
import { startInstallForTest, type TestInstall } from "./testing/install.ts";

let install: TestInstall;
let sql: postgres.Sql;
let redis: ReturnType<typeof connectRedis>;
before(async () => {
  process.env.LOG_LEVEL = "debug";
  install = await startInstallForTest({ portBase: await freePortBase() });
  sql = postgres(install.runFile().postgres, { max: 2 });
  redis = connectRedis(install.runFile().redis);
});
after(async () => {
  redis?.disconnect();
  await sql?.end();
  await install?.stop();
});

/** A lock that nothing else asks for. */
const gate = 4711;

async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  for (const end = Date.now() + 10_000; ; await new Promise((resume) => setTimeout(resume, 20))) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < end, `${what}: not seen within 10 s`);
  }
}

const lines = (process: string) =>
  readFileSync(join(install.dataDir, "logs", `${process}.log`), "utf8")
    .split("\n")
    .flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Record<string, unknown>] : []));

test("one id, given by a caller, finds the whole story: answer, log, transaction, outbox, event and job", async () => {
  const { api } = install.runFile();
  const call = (path: string, body: object, headers: Record<string, string> = {}) =>
    fetch(`${api}/v1${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  const registered = await call("/auth/register", {
    handle: "ann",
    email: "ann@example.test",
    password: "a phrase of my own",
  });
  const { accessToken } = (await registered.json()) as { accessToken: string };

  const requestId = `story-of-one-post-${process.pid}`;
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  let answer: Promise<Response> | undefined;
  await sql.unsafe(`
    create function wait_here() returns trigger language plpgsql
      as $$ begin perform pg_advisory_xact_lock(${gate}); return new; end $$;
    create trigger wait_here before insert on posts for each row execute function wait_here()`);
  const name = await sql.begin(async (tx) => {
    // While this is held, the insert of the post waits, and Postgres can be asked who waits there.
    await tx`select pg_advisory_xact_lock(${gate})`;
    answer = call(
      "/posts",
      { text: "hello" },
      {
        authorization: `Bearer ${accessToken}`,
        "x-request-id": requestId,
        traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      },
    );
    const [waiting] = await until("the transaction in pg_stat_activity", async () => {
      const rows = await sql<{ name: string }[]>`
        select application_name as name from pg_stat_activity
        where wait_event_type = 'Lock' and application_name like ${`%${requestId}`}`;
      return rows.length > 0 && rows;
    });
    return waiting!.name;
  });
  assert.equal(name, `signalbox api ${requestId}`);

  const answered = await answer!;
  assert.equal(answered.status, 201);
  assert.equal(answered.headers.get("x-request-id"), requestId);
  assert.equal(answered.headers.get("traceparent")?.slice(3, 35), traceId);

  await until("the line of the call", () =>
    lines("api").find(
      (line) => line.requestId === requestId && line.call === "feed.post.create" && line.traceId === traceId,
    ),
  );
  const [row] = await sql`select topic, traceparent from outbox where request_id = ${requestId}`;
  assert.deepEqual([row!.topic, row!.traceparent.slice(3, 35)], ["post.created", traceId]);

  const event = await until("the event on the bus", async () => {
    for (const key of await redis.keys("bus:*"))
      if ((await redis.type(key)) === "stream")
        for (const [, fields] of await redis.xrange(key, "-", "+")) {
          const found = fields.find((field) => field.includes(requestId));
          if (found) return JSON.parse(found) as { topic: string; requestId: string; traceparent: string };
        }
    return undefined;
  });
  assert.deepEqual(
    [event.topic, event.requestId, event.traceparent.slice(3, 35)],
    ["post.created", requestId, traceId],
  );

  const job = await until("the line of the job", () =>
    lines("workers").find((line) => line.requestId === requestId && line.msg === "a job is done"),
  );
  assert.equal(job.traceId, traceId);
  // The name goes with the transaction.
  const rows = await sql`select 1 from pg_stat_activity where application_name like ${`%${requestId}`}`;
  assert.equal(rows.length, 0);
});
