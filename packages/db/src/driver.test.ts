// What befalls a process whose connections to Postgres die at every moment: it lives on, everything that was asked is answered or
// refused, a transaction is whole or absent, and the pool is soon as large as before.

import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Deadline, withDeadline } from "@signalbox/core/resilience/deadline";
import { sql as text } from "drizzle-orm";
import postgres from "postgres";
import { connectDatabase, type Database } from "./client.ts";
import { isDatabaseAway } from "./faults.ts";
import { connectReplication, readLog } from "./replication.ts";
import { createTestDatabase, type TestDatabase } from "./testing.ts";
import { openLine } from "./testing-line.ts";

let scratch: TestDatabase;
let direct: Database;
before(async () => {
  scratch = await createTestDatabase();
  direct = connectDatabase(scratch.url, { name: "direct", poolSize: 2 });
  await direct.sql`create table pairs (id int not null, half int not null, primary key (id, half))`;
});
after(async () => {
  await direct.close();
  await scratch.drop();
});

function open(context: TestContext, url: string, poolSize: number): Database {
  const database = connectDatabase(url, { name: "cut", poolSize });
  context.after(() => database.close());
  return database;
}

async function within<T>(seconds: number, what: string, work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = pause(seconds * 1_000, undefined, { signal: timer.signal }).then(
    () => assert.fail(`${what}: not within ${seconds} s`),
    () => new Promise<never>(() => {}),
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}

/** Asks until each place of the pool has a connection of its own that answers. */
async function untilFull({ sql }: Pick<Database, "sql">, size: number): Promise<void> {
  const ask = () => sql<{ pid: number }[]>`select pg_backend_pid() as pid, pg_sleep(0.05)`;
  let most = 0;
  for (const end = performance.now() + 15_000; performance.now() < end; await pause(50)) {
    const asked = await Promise.allSettled(Array.from({ length: size }, ask));
    const pids = new Set(
      asked.flatMap((one) => (one.status === "fulfilled" ? one.value.map(({ pid }) => pid) : [])),
    );
    most = Math.max(most, pids.size);
    if (pids.size === size) return;
  }
  assert.fail(`only ${most} of ${size} connections came back`);
}

const failureOf = (work: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(work).then(
    () => assert.fail("it went through"),
    (error) => error,
  );

async function backendOf(sql: postgres.ISql): Promise<number> {
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  return row!.pid;
}

async function end(pid: number): Promise<void> {
  await direct.sql`select pg_terminate_backend(${pid}, 5000)`;
}

const rowsOf = async (id: number) => (await direct.sql`select 1 from pairs where id = ${id}`).length;

test("wherever a line is cut, a transaction is whole or absent, everything settles, and the pool comes back", async (context) => {
  const line = await openLine(context, scratch.url);
  const { sql, db, close } = connectDatabase(line.url, { name: "cut", poolSize: 4 });
  context.after(close);
  let stopped = false;
  let lastId = 1_000;
  const done: number[] = [];
  const failures: unknown[] = [];
  const insert = (id: number, half: number) => text`insert into pairs values (${id}, ${half})`;
  const kinds: ((id: number) => Promise<unknown>)[] = [
    // Where the connection dies between two statements, nobody waits for it.
    (id) =>
      sql.begin(async (sql) => {
        await sql`insert into pairs values (${id}, 1)`;
        await pause(Math.random() * 4);
        await sql`insert into pairs values (${id}, 2)`;
      }),
    (id) =>
      sql.begin((sql) => [
        sql`insert into pairs values (${id}, 1)`,
        sql`insert into pairs values (${id}, 2), (${id}, 3)`,
        sql`delete from pairs where id = ${id} and half = 3`,
      ]),
    (id) =>
      db.transaction(async (tx) => {
        await tx.execute(insert(id, 1));
        await tx.transaction((inner) => inner.execute(insert(id, 2)));
      }),
    (id) => db.transaction((tx) => Promise.all([tx.execute(insert(id, 1)), tx.execute(insert(id, 2))])),
    async (id) => {
      const held = await sql.reserve();
      try {
        await held`insert into pairs select ${id}::int, half from generate_series(1, 2) half`;
      } finally {
        held.release();
      }
    },
    async (id) => {
      let count = 0;
      const query = sql`select n, repeat('x', 100) from generate_series(1, 60) n`;
      for await (const rows of query.cursor(20)) count += rows.length;
      assert.equal(count, 60);
      await sql`insert into pairs values (${id}, 1), (${id}, 2)`;
    },
  ];
  const worker = async (_: unknown, at: number) => {
    while (!stopped) {
      const id = ++lastId;
      try {
        await kinds[at % kinds.length]!(id);
        done.push(id);
      } catch (error) {
        failures.push(error);
        await pause(2);
      }
    }
  };
  line.rude = () => Math.random() < 0.5;
  // Most die at work, many while they begin.
  line.budget = () => Math.ceil(Math.random() ** 2 * 30_000);
  const workers = Array.from({ length: 12 }, worker);
  for (let cuts = 0; cuts < 40; cuts++) {
    await pause(20 + Math.random() * 40);
    if (cuts % 4 === 0) line.cut();
  }
  stopped = true;
  await within(20, "a statement", Promise.all(workers));
  line.budget = undefined;

  const halves = await direct.sql`select id from pairs where id > 1000 group by id having count(*) <> 2`;
  assert.deepEqual([...halves], [], "half a transaction was written");
  const written = new Set((await direct.sql`select distinct id from pairs`).map(({ id }) => id));
  assert.deepEqual(
    done.filter((id) => !written.has(id)),
    [],
    "what was said to be written is not there",
  );
  assert.ok(done.length > 0 && failures.length > 0, `${done.length} done, ${failures.length} failed`);
  const foreign = failures.filter((error) => !isDatabaseAway(error));
  assert.deepEqual(foreign, []);
  await untilFull({ sql }, 4);
});

test("what follows in a transaction whose connection died is refused, also where another one took its place", async (context) => {
  const { sql } = open(context, scratch.url, 1);
  const late = Promise.withResolvers<PromiseSettledResult<unknown>[]>();
  const failure = failureOf(
    sql.begin(async (tx) => {
      await tx`insert into pairs values (1, 1)`;
      const pid = await backendOf(tx);
      const waiting = backendOf(sql);
      await end(pid);
      assert.notEqual(await waiting, pid);
      const rest = [
        tx`insert into pairs values (1, 2)`,
        tx.savepoint((tx) => tx`insert into pairs values (1, 3)`),
      ];
      late.resolve(await Promise.allSettled(rest));
    }),
  );
  assert.ok(isDatabaseAway(await within(10, "the transaction", failure)));
  const rest = await within(10, "its statements", late.promise);
  assert.deepEqual(
    rest.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(await rowsOf(1), 0);
  await untilFull({ sql }, 1);
});

test("what waits for its turn in a transaction ends with its connection", async (context) => {
  const { sql } = open(context, scratch.url, 1);
  const pid = await backendOf(sql);
  const settled: Promise<PromiseSettledResult<unknown>[]>[] = [];
  const failure = failureOf(
    sql.begin(async (tx) => {
      // Statements of several texts wait for each other's description.
      const statements = [1, 2, 3].map((n) => tx.unsafe(`select pg_sleep(20), $1::int as n${n}`, [n]));
      settled.push(Promise.allSettled(statements));
      await pause(50);
      await end(pid);
      await settled[0];
    }),
  );
  assert.ok(isDatabaseAway(await within(10, "the transaction", failure)));
  const [results] = await within(10, "its statements", Promise.all(settled));
  assert.deepEqual(new Set(results!.map(({ status }) => status)), new Set(["rejected"]));
  await untilFull({ sql }, 1);
});

test("after its end a transaction takes nothing more", async (context) => {
  const { sql } = open(context, scratch.url, 1);
  let late: () => PromiseLike<unknown> = () => assert.fail();
  await sql.begin(async (tx) => {
    late = () => tx`insert into pairs values (2, 1)`;
    await tx`select 1`;
  });
  const code = { code: "TRANSACTION_ENDED" };
  await assert.rejects(async () => await late(), code);
  // One branch fails, and the other knows nothing of it.
  let slow: Promise<unknown> | undefined;
  await assert.rejects(
    sql.begin((tx) => {
      slow = failureOf(
        (async () => {
          await tx`select 1`;
          await pause(100);
          await tx`insert into pairs values (2, 2)`;
        })(),
      );
      return Promise.all([slow, tx`select 1 / 0`]);
    }),
    { code: "22012" },
  );
  assert.equal(((await slow) as { code?: string }).code, "TRANSACTION_ENDED");
  assert.equal(await rowsOf(2), 0);
});

test("a connection that dies at any byte of its beginning is tried again, and no statement waits for ever", async (context) => {
  const line = await openLine(context, scratch.url);
  const positions = [1, 8, 60, 120, 140, 200, 300, 340, 380, 500, 620, 800, 1_200, 2_000, 4_000];
  for (const rude of [false, true]) {
    line.rude = () => rude;
    const answers = positions.map(async (bytes) => {
      const database = connectDatabase(line.url, { name: "cut", poolSize: 2 });
      try {
        const asked = [1, 2, 3].map(async (n) => (await database.sql`select ${n}::int as n`)[0]?.n);
        const settled = await within(15, `cut after ${bytes} bytes`, Promise.allSettled(asked));
        for (const one of settled)
          if (one.status === "rejected") assert.ok(isDatabaseAway(one.reason), String(one.reason));
        line.budget = undefined;
        await untilFull(database, 2);
      } finally {
        await database.close();
      }
    });
    // The connections of each take the budget of their own position, one after another.
    const budgets = positions.flatMap((bytes) => [bytes, bytes]);
    line.budget = () => budgets.shift() ?? Number.POSITIVE_INFINITY;
    await Promise.all(answers);
  }
});

test("what waits while the database is away is refused soon, and served soon after it is back", async (context) => {
  const line = await openLine(context, scratch.url);
  const database = open(context, line.url, 3);
  await untilFull(database, 3);
  await line.away();
  const asked = Array.from({ length: 200 }, async () => await database.sql`select 1`);
  const settled = await within(10, "what was asked of no one", Promise.allSettled(asked));
  assert.deepEqual(new Set(settled.map(({ status }) => status)), new Set(["rejected"]));
  await line.back();
  await untilFull(database, 3);
});

test("a statement whose call ends while its connection opens leaves the connection to others", async (context) => {
  const line = await openLine(context, scratch.url);
  const database = open(context, line.url, 3);
  await line.away();
  // Later ones wait for the back-off, and their calls end before the connections begin.
  for (let round = 0; round < 3; round++)
    await Promise.allSettled(
      Array.from({ length: 6 }, () =>
        withDeadline(new Deadline(20), async () => await database.sql`select 1`),
      ),
    );
  await line.back();
  await untilFull(database, 3);
});

test("a cursor whose connection dies says so, and does not end as if that were all", async (context) => {
  const { sql } = open(context, scratch.url, 1);
  const pid = await backendOf(sql);
  let seen = 0;
  const reading = (async () => {
    for await (const rows of sql`select n from generate_series(1, 1000) n`.cursor(10)) {
      seen += rows.length;
      if (seen === 20) {
        await end(pid);
        // It notices while nobody waits for the next rows.
        await pause(100);
      }
    }
  })();
  assert.ok(isDatabaseAway(await within(10, "the cursor", failureOf(reading))));
  assert.equal(seen, 20);
  const next = await backendOf(sql);
  const called = sql`select n from generate_series(1, 100) n`.cursor(10, async () => {
    await end(next);
    await pause(100);
  });
  assert.ok(isDatabaseAway(await within(10, "the cursor", failureOf(called))));
  await untilFull({ sql }, 1);
});

test("a connection kept for one user ends with it, and does not take the place of the next", async (context) => {
  const { sql } = open(context, scratch.url, 1);
  const held = await sql.reserve();
  const pid = await backendOf(held);
  const waiting = backendOf(sql);
  await end(pid);
  assert.notEqual(await waiting, pid);
  assert.ok(isDatabaseAway(await failureOf(held`insert into pairs values (4, 1)`)));
  held.release();
  held.release();
  assert.equal(await rowsOf(4), 0);
  await untilFull({ sql }, 1);
});

test("listeners hear again after their connection died", async (context) => {
  const listening = postgres(scratch.url, { max: 1, onnotice: () => {} });
  context.after(() => listening.end({ timeout: 5 }));
  const heard = new Set<string>();
  let listens = 0;
  for (const channel of ["one", "two"])
    await listening.listen(
      channel,
      (word) => heard.add(`${channel} ${word}`),
      () => {
        listens += 1;
      },
    );
  const untilHeard = async (word: string) => {
    for (const end = performance.now() + 10_000; performance.now() < end; await pause(20)) {
      await direct.sql`select pg_notify('one', ${word}), pg_notify('two', ${word})`;
      if (heard.has(`one ${word}`) && heard.has(`two ${word}`)) return;
    }
    assert.fail(`heard only ${[...heard]}`);
  };
  await untilHeard("before");
  await direct.sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and query like 'listen%'`;
  await untilHeard("after");
  assert.ok(listens >= 4);
});

test("a reader of the database's log is told that its connection died", async () => {
  await direct.sql`create publication cut_log for table pairs`;
  const client = await connectReplication(scratch.url, "cut log");
  await client.query("CREATE_REPLICATION_SLOT cut_log TEMPORARY LOGICAL pgoutput");
  const reader = await readLog(client, {
    slot: "cut_log",
    publication: "cut_log",
    handlers: { transaction: () => {}, reached: () => {} },
  });
  await direct.sql`select pg_terminate_backend(active_pid, 5000) from pg_replication_slots
    where slot_name = 'cut_log'`;
  assert.ok((await within(10, "the end of the stream", reader.ended)) instanceof Error);
  await reader.close();
});

test("a value that cannot be sent fails its own statement, and the others get their own answers", async (context) => {
  const { sql } = open(context, scratch.url, 1);
  await sql`select ${1}::int as n`;
  const ask = async (n: number | undefined) => (await sql`select ${n as number}::int as n`)[0]?.n;
  const asked = await within(
    10,
    "the statements",
    Promise.allSettled([1, 2, undefined, 4, 5, undefined, 7].map(ask)),
  );
  assert.deepEqual(
    asked.map((one) => (one.status === "fulfilled" ? one.value : one.reason.code)),
    [1, 2, "UNDEFINED_VALUE", 4, 5, "UNDEFINED_VALUE", 7],
  );
});

test("more at once than a connection takes does not disturb a transaction that comes last", async (context) => {
  const { sql } = open(context, scratch.url, 2);
  const reads = Array.from({ length: 450 }, async (_, n) => {
    if (n % 7 === 0)
      return sql.begin(async (tx) => (await tx`select ${n}::int as n, txid_current_if_assigned()`)[0]?.n);
    return (await sql`select ${n}::int as n`)[0]?.n;
  });
  assert.deepEqual(
    await within(30, "the statements", Promise.all(reads)),
    Array.from({ length: 450 }, (_, n) => n),
  );
});

test("closing ends what waits, also while nobody answers", async (context) => {
  const line = await openLine(context, scratch.url);
  const database = connectDatabase(line.url, { name: "cut", poolSize: 1 });
  await database.sql`select 1`;
  const asked = Promise.allSettled([
    database.sql`select pg_sleep(0.2)`,
    database.sql.begin((tx) => tx`select 1`),
    database.sql`select 2`,
  ]);
  await pause(20);
  await within(10, "closing", database.close());
  await within(5, "what waited", asked);
  const away = connectDatabase(line.url, { name: "cut", poolSize: 1 });
  await line.away();
  const refused = failureOf(away.sql`select 1`);
  await pause(5);
  await within(10, "closing while nobody answers", away.close());
  await within(5, "what waited for nobody", refused);
});

test("what is asked one after another stays on one connection, however many are open", async (context) => {
  const database = open(context, scratch.url, 4);
  await untilFull(database, 4);
  const pids = new Set<number>();
  for (let n = 0; n < 12; n++) {
    const [row] = await database.sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    pids.add(row!.pid);
  }
  assert.equal(pids.size, 1);
});
