import assert from "node:assert/strict";
import { after, test } from "node:test";
import { z } from "zod";
import { until } from "./bus/contract.ts";
import { newId } from "./ids.ts";
import { createLogger } from "./log.ts";
import { createQueues, defineQueue, type Queues } from "./queues.ts";
import { connectRedis } from "./redis.ts";

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
  let cursor = "0";
  do {
    const [next, found] = await redis.scan(cursor, "MATCH", `{${prefix}:*`, "COUNT", 1_000);
    for (const key of found) await redis.del(key);
    cursor = next;
  } while (cursor !== "0");
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
    { isAway: (error) => error instanceof Error && error.message.includes("ECONNREFUSED"), isOn: () => isOn },
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
