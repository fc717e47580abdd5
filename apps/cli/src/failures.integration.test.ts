// What callers meet while a part of a real install hangs or dies under load, and that all is well again without anyone's help.

import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { connectDatabase, type Database } from "@signalbox/db";
import { familyOf } from "./testing/family.ts";
import { eventually, freePortBase } from "./testing/harness.ts";
import { startInstallForTest, type TestInstall } from "./testing/install.ts";
import { createPeople, type People } from "./testing/people.ts";

type Seen = { status: number; code: string; tookMs: number; degraded: string | null };

let install: TestInstall;
let database: Database;
let locker: Database;
let people: People;
let ann: { handle: string; token: string };
let bob: { handle: string; token: string };
let postId: string;

// A mail server that takes connections and says nothing.
const silent = createServer((socket) => void held.add(socket));
const held = new Set<Socket>();

before(async () => {
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  process.env.SMTP_URL = `smtp://127.0.0.1:${port}`;
  install = await startInstallForTest({ portBase: await freePortBase() });
  delete process.env.SMTP_URL;
  const run = install.runFile();
  people = createPeople(run.api);
  database = connectDatabase(run.postgres, { name: "test", poolSize: 1 });
  locker = connectDatabase(run.postgres, { name: "test lock", poolSize: 1 });
  [ann, bob] = [await people.register("ann"), await people.register("bob")];
  const made = await people.call("POST", "/v1/posts", ann.token, { text: "a post" });
  assert.equal(made.status, 201);
  postId = made.body.id;
});
after(async () => {
  // Of a test that failed.
  for (const timer of loads) clearInterval(timer);
  await database?.close();
  await locker?.close();
  await install?.stop();
  for (const socket of held) socket.destroy();
  silent.close();
});

async function ask(method: string, path: string, body?: object, headers = {}): Promise<Seen> {
  const began = performance.now();
  const answer = await fetch(install.runFile().api + path, {
    method,
    headers: {
      authorization: `Bearer ${ann.token}`,
      ...(body ? { "content-type": "application/json" } : {}),
      ...headers,
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    code: answer.ok ? "" : (JSON.parse(text).detail ?? text),
    tookMs: performance.now() - began,
    degraded: answer.headers.get("degraded"),
  };
}

const write = () => ask("POST", "/v1/posts", { text: "under load" });
const read = () => ask("GET", `/v1/posts/${postId}`);

const loads = new Set<NodeJS.Timeout>();

/** Asks again and again at a fixed pace until told to stop; gives what was answered since it was last asked. */
function load(send: () => Promise<Seen>, everyMs: number) {
  let seen: Seen[] = [];
  const under = new Set<Promise<void>>();
  const timer = setInterval(() => {
    const one = send().then(
      (answer) => void seen.push(answer),
      (error) => void seen.push({ status: 0, code: String(error), tookMs: 0, degraded: null }),
    );
    under.add(one);
    void one.then(() => under.delete(one));
  }, everyMs);
  loads.add(timer);
  return {
    take() {
      const taken = seen;
      seen = [];
      return taken;
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(under);
    },
  };
}

async function dependency(name: string, process = "api") {
  const answer = await fetch(`${install.runFile().operator}/operator/v1/dependencies`, {
    headers: { authorization: `Bearer ${install.operatorToken}` },
  });
  const { items } = (await answer.json()) as {
    items: { name: string; instances: { process: string; state: string; bulkhead: { running: number } }[] }[];
  };
  return items.find((item) => item.name === name)?.instances.find((one) => one.process === process);
}

const counted = (seen: Seen[]) =>
  Object.entries(Object.groupBy(seen, ({ status, code }) => `${status} ${code}`))
    .map(([answer, all]) => `${all!.length} times ${answer}`)
    .join("; ");

describe("Postgres hangs under load", () => {
  test("calls that need it are refused at once, the rest is answered, and it comes back by itself", async () => {
    assert.deepEqual([(await write()).status, (await read()).status], [201, 200]);
    const stopped = familyOf(install.pid("postgres"));
    const writes = load(write, 40);
    const reads = load(read, 40);
    const alive = load(() => ask("GET", "/livez"), 200);
    try {
      await pause(1_000);
      for (const pid of stopped) process.kill(pid, "SIGSTOP");
      await eventually(
        async () => (await dependency("postgres"))?.state === "open",
        "the breaker opens",
        8_000,
      );
      writes.take();
      reads.take();
      await pause(3_000);
      const refused = writes.take();
      assert.ok(refused.length > 30, `${refused.length} answers`);
      const open = refused.filter(({ status }) => status === 503);
      // While it is open a few calls try whether the part is back.
      assert.ok(open.length > 0.8 * refused.length, counted(refused));
      assert.ok(
        refused.every(({ status }) => status === 503 || status === 504),
        counted(refused),
      );
      const quick = open.filter(({ tookMs }) => tookMs < 500);
      assert.ok(quick.length > 0.8 * open.length, `${quick.length} of ${open.length} within 500 ms`);
      const shown = reads.take();
      assert.ok(shown.filter(({ status }) => status === 200).length > 0.8 * shown.length, counted(shown));
    } finally {
      for (const pid of stopped.toReversed()) process.kill(pid, "SIGCONT");
    }
    await eventually(
      async () => (await dependency("postgres"))?.state === "closed",
      "the breaker closes",
      20_000,
    );
    await pause(1_500);
    writes.take();
    reads.take();
    await pause(2_000);
    assert.ok(writes.take().every(({ status }) => status === 201));
    assert.ok(reads.take().every(({ status, degraded }) => status === 200 && degraded === null));
    const lives = alive.take();
    assert.ok(
      lives.every(({ status, tookMs }) => status === 200 && tookMs < 1_000),
      "liveness always answers",
    );
    await Promise.all([writes.stop(), reads.stop(), alive.stop()]);
  });
});

describe("Redis dies under load", () => {
  test("answers go on", async () => {
    const reads = load(read, 25);
    const writes = load(write, 100);
    const feeds = load(() => ask("GET", "/v1/feed"), 50);
    await pause(500);
    process.kill(install.pid("redis"), "SIGKILL");
    await pause(4_000);
    await Promise.all([reads.stop(), writes.stop(), feeds.stop()]);
    for (const [kind, { take }] of Object.entries({ reads, writes, feeds })) {
      const seen = take();
      assert.ok(
        seen.every(({ status }) => status === 200 || status === 201),
        `${kind}: ${counted(seen)}`,
      );
    }
  });

  test("one that hangs is not waited for", async () => {
    const stopped = install.pid("redis");
    const feeds = load(() => ask("GET", "/v1/feed"), 50);
    process.kill(stopped, "SIGSTOP");
    try {
      await eventually(async () => {
        const seen = feeds.take();
        return seen.length > 0 && seen.every(({ status, tookMs }) => status === 200 && tookMs < 500);
      }, "the feed is quick again");
    } finally {
      process.kill(stopped, "SIGCONT");
    }
    await feeds.stop();
    assert.ok(feeds.take().every(({ status }) => status === 200));
  });
});

describe("the mail server hangs", () => {
  test("people register all the same, and what others do is told to their followers", async () => {
    const began = performance.now();
    await Promise.all(Array.from({ length: 6 }, () => people.register("new")));
    assert.ok(performance.now() - began < 10_000);
    assert.ok(held.size > 0, "the mail server was asked");
    const running = (await dependency("smtp", "workers"))?.bulkhead.running ?? 0;
    assert.ok(running <= 4, `${running} mails under way`);
    assert.equal((await people.call("PUT", `/v1/users/${ann.handle}/follow`, bob.token)).status, 204);
    await people.feed(bob.token);
    const { body } = await people.call("POST", "/v1/posts", ann.token, { text: "for bob" });
    await eventually(async () => (await people.feed(bob.token)).includes(body.id), "bob is told");
  });
});

describe("a statement that takes long", () => {
  // The call's own statement, not what the platform asks by itself meanwhile.
  const waiting = async () =>
    (
      await database.sql`select 1 from pg_stat_activity
        where wait_event_type = 'Lock' and application_name = 'signalbox api' and query like '%from "sessions"%'`
    ).length;

  /** While nobody may read sessions, asking for them takes as long as that. */
  const blocked = (work: () => Promise<void>) =>
    locker.sql.begin(async (sql) => {
      await sql`lock table sessions in access exclusive mode`;
      await work();
    });

  test("ends when its caller goes away", () =>
    blocked(async () => {
      const { port } = new URL(install.runFile().api);
      const socket = connect({ port: Number(port), host: "127.0.0.1" });
      let answered = "";
      socket.on("data", (chunk) => {
        answered += chunk;
      });
      const head = `GET /v1/auth/sessions HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer ${ann.token}`;
      socket.write(`${head}\r\n\r\n`);
      await eventually(async () => {
        assert.equal(answered, "");
        return (await waiting()) > 0;
      }, "it is being asked");
      socket.destroy();
      await eventually(async () => (await waiting()) === 0, "it was ended", 1_500);
    }));

  test("ends when the time that its caller gave is over", () =>
    blocked(async () => {
      const { status, tookMs } = await ask("GET", "/v1/auth/sessions", undefined, {
        "x-request-timeout": "400ms",
      });
      assert.equal(status, 504);
      assert.ok(tookMs >= 390 && tookMs < 1_500, `${tookMs} ms`);
      await eventually(async () => (await waiting()) === 0, "it was ended", 1_500);
      const unread = await ask("GET", "/v1/auth/sessions", undefined, { "x-request-timeout": "soon" });
      assert.equal(unread.status, 400);
    }));
});
