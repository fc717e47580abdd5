import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, test } from "node:test";
import { Queue } from "bullmq";
import { z } from "zod";
import { until } from "../bus/contract.ts";
import { newId } from "../ids.ts";
import { createLogger } from "../log.ts";
import { connectRedis } from "../redis.ts";
import { forgetKeys } from "../testing/forget-keys.ts";
import { defineQueue, type Queues } from "./definition.ts";
import { createQueues } from "./queues.ts";

const url = process.env.TEST_REDIS_URL!;
const prefix = `test-${newId()}`;
const open: Queues[] = [];

function queues(): Queues {
  const made = createQueues({ url, log: createLogger({ name: "test", level: "silent" }), prefix });
  open.push(made);
  return made;
}

after(async () => {
  await Promise.all(open.map((each) => each.close(500)));
  const redis = connectRedis(url);
  await forgetKeys(redis, `{${prefix}:*`);
  redis.disconnect();
});

const Mail = z.object({ to: z.string() });

test("a job is done once, with its data as defined", async () => {
  const mail = defineQueue({ name: "test.mail.send", schema: Mail });
  const seen: string[] = [];
  const it = queues();
  it.work(mail, async ({ to }) => void seen.push(to));
  await it.add(mail, { to: "ann" });
  await it.add(mail, { to: "bob" }, { id: "once" });
  await it.add(mail, { to: "bob" }, { id: "once" });
  await until(() => seen.length === 2);
  assert.deepEqual(seen.sort(), ["ann", "bob"]);
  await assert.rejects(it.add(mail, { to: 1 } as never));
});

test("what is asked for together goes on the queue together, each once, and is not lost where the process leaves", async () => {
  const mail = defineQueue({ name: "test.mail.gather", schema: Mail, gatherMs: 60_000 });
  const leaving = queues();
  const asked = ["ann", "bob", "cat", "cat"].map((to) => leaving.add(mail, { to }, { id: `to-${to}` }));
  await assert.rejects(leaving.add(mail, { to: 1 } as never));
  await leaving.close();
  assert.deepEqual(await Promise.all(asked), ["to-ann", "to-bob", "to-cat", "to-cat"]);
  const seen: string[] = [];
  const it = queues();
  it.work(mail, async ({ to }) => void seen.push(to));
  await until(async () => seen.length === 3 && (await it.depth(mail)).ready === 0);
  assert.deepEqual(seen.sort(), ["ann", "bob", "cat"]);
});

test("a job that fails is tried again and then kept among the failed", async () => {
  const broken = defineQueue({ name: "test.mail.break", schema: Mail, attempts: 3, backoffMs: 5 });
  const attempts: number[] = [];
  const it = queues();
  it.work(broken, async (_data, { attempt }) => {
    attempts.push(attempt);
    throw new Error("no");
  });
  await it.add(broken, { to: "ann" });
  await until(async () => (await it.depth(broken)).failed === 1);
  assert.deepEqual(attempts, [1, 2, 3]);
});

test("a queue that is switched off takes no job and keeps all, over a restart too; then they are done in order", async () => {
  const held = defineQueue({ name: "test.mail.off", schema: Mail, concurrency: 1 });
  const done: string[] = [];
  let isOff = false;
  const open = () => {
    const it = queues();
    it.work(held, async ({ to }) => void done.push(to), { isOff: () => isOff });
    return it;
  };
  const first = open();
  await first.add(held, { to: "before" });
  await until(() => done.length === 1);
  isOff = true;
  // The worker looks every now and then; what it had asked for already it gives back.
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const to of ["a", "b", "c"]) await first.add(held, { to });
  await new Promise((resolve) => setTimeout(resolve, 700));
  await first.close();
  const second = open();
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(done, ["before"]);
  const { ready, active, failed, delayed } = await second.depth(held);
  assert.deepEqual([ready + delayed, active, failed], [3, 0, 0]);
  isOff = false;
  await until(() => done.length === 4);
  assert.deepEqual(done.toSorted(), ["a", "b", "before", "c"]);
});

test("a part that is away, or a switch that is off, costs a job none of its attempts", async () => {
  const held = defineQueue({ name: "test.mail.hold", schema: Mail, attempts: 1 });
  let calls = 0;
  let isOn = false;
  const it = queues();
  it.work(
    held,
    async () => {
      if (++calls === 1) throw new Error("connect ECONNREFUSED", { cause: { code: "x" } });
    },
    {
      isAway: (error) => error instanceof Error && error.message.includes("ECONNREFUSED"),
      waits: () => !isOn,
    },
  );
  await it.add(held, { to: "ann" });
  await until(async () => (await it.depth(held)).delayed === 1);
  assert.equal(calls, 0);
  isOn = true;
  await until(() => calls === 2);
  await until(async () => (await it.depth(held)).active === 0);
  assert.equal((await it.depth(held)).failed, 0);
});

test("depth tells what is ready from what is not due yet", async () => {
  const idle = defineQueue({ name: "test.mail.idle", schema: Mail });
  const it = queues();
  await it.add(idle, { to: "a" });
  await it.add(idle, { to: "b" }, { priority: 5 });
  await it.add(idle, { to: "c" }, { delayMs: 60_000 });
  await it.add(idle, { to: "d" }, { delayMs: 30 });
  await until(async () => (await it.depth(idle)).ready === 3);
  const { delayed, oldestMs } = await it.depth(idle);
  assert.equal(delayed, 1);
  assert.ok(oldestMs >= 0);
});

test("what scalers are told is BullMQ's own count, prioritised jobs among them, and not the length of its list", async () => {
  const counted = defineQueue({ name: "test.mail.counted", schema: Mail });
  const it = queues();
  await it.add(counted, { to: "plain" });
  for (const priority of [1, 5, 5, 9, 20]) await it.add(counted, { to: "urgent" }, { priority });
  const redis = connectRedis(url);
  const own = new Queue(counted.name, { connection: redis, prefix: `{${prefix}:${counted.name}}` });
  try {
    const { waiting = 0, prioritized = 0 } = await own.getJobCounts("waiting", "prioritized");
    assert.deepEqual([waiting, prioritized], [1, 5]);
    assert.equal((await it.depth(counted)).ready, waiting + prioritized);
    assert.equal(await redis.llen(own.toKey("wait")), 1, "which is what a scaler on the list would see");
  } finally {
    await own.close();
    redis.disconnect();
  }
});

test("what is under way is finished before a close resolves", async () => {
  const slow = defineQueue({ name: "test.mail.slow", schema: Mail });
  let isDone = false;
  const it = queues();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  it.work(slow, async () => {
    begin();
    await new Promise((resolve) => setTimeout(resolve, 100));
    isDone = true;
  });
  await it.add(slow, { to: "ann" });
  await begun;
  await it.close();
  assert.equal(isDone, true);
});

test("a job knows the request that asked for it, in its handler and in the lines of its failures", async () => {
  const caused = defineQueue({ name: "test.mail.caused", schema: Mail, attempts: 1 });
  const lines: string[] = [];
  const it = createQueues({
    url,
    prefix,
    log: createLogger({ name: "test", destination: { write: (line) => void lines.push(line) } }),
  });
  const cause = {
    requestId: "the-request-of-a-test",
    traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
  };
  const seen: unknown[] = [];
  it.work(caused, async (_data, job) => {
    seen.push(job.cause);
    throw new Error("no");
  });
  await it.add(caused, { to: "ann" }, { cause });
  await it.add(caused, { to: "bob" });
  await until(() => lines.filter((line) => line.includes("failed for good")).length === 2);
  assert.deepEqual(seen, [cause, undefined]);
  assert.equal(lines.filter((line) => line.includes('"requestId":"the-request-of-a-test"')).length, 1);
  await it.close();
});

test("a job of a process that is killed in the middle is done by another", async () => {
  const lockMs = 1_500;
  const half = defineQueue({ name: "test.mail.half", schema: Mail, attempts: 1 });
  const file = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    const { createQueues } = await import(${file("./queues.ts")});
    const { defineQueue } = await import(${file("./definition.ts")});
    const { createLogger } = await import(${file("../log.ts")});
    const { z } = await import("zod");
    const queues = createQueues({ url: ${JSON.stringify(url)}, prefix: ${JSON.stringify(prefix)}, lockMs: ${lockMs},
      log: createLogger({ name: "test", level: "silent" }) });
    const half = defineQueue({ name: "test.mail.half", schema: z.object({ to: z.string() }), attempts: 1 });
    queues.work(half, async ({ to }) => { process.stdout.write(to); await new Promise(() => setInterval(() => {}, 1e6)); });`;
  const it = createQueues({ url, prefix, lockMs, log: createLogger({ name: "test", level: "silent" }) });
  open.push(it);
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: import.meta.dirname,
  });
  await it.add(half, { to: "ann" });
  const [said] = await once(child.stdout, "data");
  assert.equal(String(said), "ann");
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal((await it.depth(half)).active, 1);
  const seen: string[] = [];
  it.work(half, async ({ to }) => void seen.push(to));
  await until(() => seen.length === 1, 30_000);
  await until(async () => (await it.depth(half)).active === 0);
  assert.equal((await it.depth(half)).failed, 0);
});

test("the first in priority goes first, and no more at a time than the flow allows", async () => {
  const lanes = defineQueue({
    name: "test.mail.lanes",
    schema: Mail,
    concurrency: 1,
    flow: { max: 2, perMs: 300 },
  });
  const seen: string[] = [];
  const it = queues();
  for (const [to, priority] of [
    ["late", 10],
    ["soon", 1],
    ["later", 20],
    ["next", 2],
  ] as const)
    await it.add(lanes, { to }, { priority });
  const from = performance.now();
  it.work(lanes, async ({ to }) => void seen.push(to));
  await until(() => seen.length === 4);
  assert.deepEqual(seen, ["soon", "next", "late", "later"]);
  assert.ok(performance.now() - from >= 250, "the flow was not held back");
  const { took } = await it.depth(lanes);
  assert.ok(took && took.p95Ms >= took.p50Ms);
});

test("what was given up is tried anew when asked, and what is about someone is taken away", async () => {
  const given = defineQueue({ name: "test.mail.given", schema: Mail, attempts: 1 });
  let isBroken = true;
  const seen: string[] = [];
  const it = queues();
  it.work(given, async ({ to }) => {
    if (isBroken) throw new Error("no");
    seen.push(to);
  });
  for (const to of ["ann", "bob"]) await it.add(given, { to });
  await until(async () => (await it.depth(given)).failed === 2);
  assert.equal(await it.remove(given, ({ to }) => to === "bob"), 1);
  isBroken = false;
  assert.equal(await it.retry(given), 1);
  await until(() => seen.length === 1);
  assert.deepEqual(seen, ["ann"]);
});

test("a schedule that many ask for runs as one", async () => {
  const often = defineQueue({ name: "test.mail.often", schema: Mail });
  const at: number[] = [];
  const all = [queues(), queues(), queues()];
  for (const it of all) it.work(often, async () => void at.push(performance.now()));
  for (const it of all) await it.repeat(often, { to: "ann" }, 200);
  await until(() => at.length >= 4);
  // Three of them would have run it four times within the first two.
  assert.ok(at[3]! - at[0]! >= 400, `four runs within ${at[3]! - at[0]!} ms`);
});
