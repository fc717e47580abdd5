import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Queue, UnrecoverableError, Worker } from "bullmq";
import { z } from "zod";
import { until } from "../bus/contract.ts";
import { newId } from "../ids.ts";
import { createLogger } from "../log.ts";
import { connectRedis } from "../redis.ts";
import { forgetKeys } from "../testing/forget-keys.ts";
import { carrierName, newCarrierId, unfitReason } from "./carrier.ts";
import { defineQueue, type JobInfo, type QueueDefinition, type Queues } from "./definition.ts";
import { createQueues } from "./queues.ts";

const url = process.env.TEST_REDIS_URL!;
const prefix = `test-${newId()}`;
const open: Queues[] = [];
const redis = connectRedis(url);
const lines: string[] = [];

function queues(): Queues {
  const log = createLogger({ name: "test", destination: { write: (line) => void lines.push(line) } });
  const made = createQueues({ url, log, prefix, lockMs: 1_500 });
  open.push(made);
  return made;
}

after(async () => {
  await Promise.all(open.map((each) => each.close(500)));
  await forgetKeys(redis, `{${prefix}:*`);
  redis.disconnect();
});

const Mail = z.object({ to: z.string() });
type Mail = z.infer<typeof Mail>;
const mailQueue = (name: string, more: Partial<QueueDefinition<Mail>> = {}) =>
  defineQueue({ name: `test.carrier.${name}`, schema: Mail, gatherMs: 40, keptDone: 0, ...more });

const causeOf = (to: string) => ({
  requestId: `request-of-${to}`,
  traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
});
const askAll = (it: Queues, mail: QueueDefinition<Mail>, names: string[]) =>
  Promise.all(names.map((to) => it.add(mail, { to }, { id: `to-${to}`, cause: causeOf(to), priority: 1 })));

/** How BullMQ itself counts them. */
async function ownCounts({ name }: QueueDefinition<Mail>) {
  const own = new Queue(name, { connection: redis, prefix: `{${prefix}:${name}}` });
  try {
    const { waiting = 0, prioritized = 0, delayed = 0, failed = 0 } = await own.getJobCounts();
    return { ready: waiting + prioritized, delayed, failed };
  } finally {
    await own.close();
  }
}

test("what is asked for together is one job of BullMQ, and each is done once, with its own id and cause", async () => {
  const mail = mailQueue("together");
  const it = queues();
  const names = ["ann", "bob", "cat", "bob"];
  assert.deepEqual(
    await askAll(it, mail, names),
    names.map((to) => `to-${to}`),
  );
  assert.equal((await ownCounts(mail)).ready, 1);
  assert.equal((await it.depth(mail)).ready, 3);
  const seen: [string, JobInfo][] = [];
  it.work(mail, async ({ to }, job) => void seen.push([to, job]));
  await until(async () => seen.length === 3 && (await it.depth(mail)).active === 0);
  assert.deepEqual(
    seen,
    ["ann", "bob", "cat"].map((to) => [to, { id: `to-${to}`, attempt: 1, cause: causeOf(to) }]),
  );
  assert.deepEqual((await it.depth(mail)).took !== null, true);
});

test("only what may wait alike goes together: one that is due later, of another priority or on a counted flow goes by itself", async () => {
  const mail = mailQueue("apart");
  const it = queues();
  await Promise.all([
    it.add(mail, { to: "ann" }, { priority: 1 }),
    it.add(mail, { to: "bob" }, { priority: 2 }),
    it.add(mail, { to: "cat" }, { priority: 1, delayMs: 60_000 }),
  ]);
  assert.deepEqual(await ownCounts(mail), { ready: 2, delayed: 1, failed: 0 });
  for (const more of [{ flow: { max: 1, perMs: 1_000 } }, { attempts: 1 }]) {
    const counted = mailQueue(`apart.${Object.keys(more)[0]}`, more);
    await askAll(it, counted, ["ann", "bob"]);
    assert.equal((await ownCounts(counted)).ready, 2);
  }
  const many = mailQueue("apart.many");
  await askAll(
    it,
    many,
    Array.from({ length: 40 }, (_, n) => `n${n}`),
  );
  assert.equal((await ownCounts(many)).ready, 3);
  assert.equal((await it.depth(many)).ready, 40);
});

test("of those that go together only the one that fails is tried again, is given up after all its attempts, and is tried anew when asked", async () => {
  const mail = mailQueue("fails", { attempts: 3, backoffMs: 5 });
  let isBroken = true;
  const seen: string[] = [];
  const it = queues();
  it.work(mail, async ({ to }, { attempt, cause }) => {
    assert.deepEqual(cause, causeOf(to));
    seen.push(`${to} ${attempt}`);
    if (to === "bob" && isBroken) throw new Error("no");
  });
  await askAll(it, mail, ["ann", "bob", "cat"]);
  await until(async () => (await it.depth(mail)).failed === 1);
  assert.deepEqual(seen, ["ann 1", "bob 1", "cat 1", "bob 2", "bob 3"]);
  const told = lines.filter((line) => line.includes(mail.name)).map((line) => JSON.parse(line));
  assert.deepEqual(
    told.map(({ job, attempt, requestId }) => [job, attempt, requestId]),
    [1, 2, 3].map((attempt) => ["to-bob", attempt, "request-of-bob"]),
  );
  isBroken = false;
  assert.equal(await it.retry(mail), 1);
  await until(() => seen.length === 6);
  await until(async () => (await it.depth(mail)).failed === 0);
});

test("whose work is switched off waits, and so does what needs a part that is away; the others went, and no attempt is used", async () => {
  const mail = mailQueue("waits", { attempts: 2 });
  let [isAway, isOff] = [true, true];
  const seen: string[] = [];
  const it = queues();
  it.work(
    mail,
    async ({ to }, { attempt }) => {
      if (to === "bob" && isAway) throw new Error("away");
      seen.push(`${to} ${attempt}`);
    },
    {
      isAway: (error) => error instanceof Error && error.message === "away",
      waits: ({ to }) => to === "cat" && isOff,
    },
  );
  await askAll(it, mail, ["ann", "bob", "cat"]);
  await until(async () => (await it.depth(mail)).delayed === 2);
  assert.deepEqual(seen, ["ann 1"]);
  await pause(1_500);
  [isAway, isOff] = [false, false];
  await until(() => seen.length === 3);
  assert.deepEqual(seen.toSorted(), ["ann 1", "bob 1", "cat 1"]);
  assert.equal((await it.depth(mail)).failed, 0);
});

test("where all of them wait they wait together", async () => {
  const mail = mailQueue("wait.all");
  let isOff = true;
  const seen: string[] = [];
  const it = queues();
  it.work(mail, async ({ to }) => void seen.push(to), { waits: () => isOff });
  await askAll(it, mail, ["ann", "bob"]);
  await until(async () => (await it.depth(mail)).delayed === 2);
  assert.equal((await ownCounts(mail)).delayed, 1);
  isOff = false;
  await until(() => seen.length === 2);
});

test("one whose data nobody can read is given up, and takes none with it", async () => {
  const mail = mailQueue("unfit");
  const own = new Queue(mail.name, { connection: redis, prefix: `{${prefix}:${mail.name}}` });
  const carried = [
    { id: "good", data: { to: "ann" } },
    { id: "bad", data: { whom: "bob" } },
  ];
  await own.add(carrierName, { carried }, { jobId: newCarrierId(2), attempts: 8 });
  await own.close();
  const seen: string[] = [];
  const it = queues();
  it.work(mail, async ({ to }) => void seen.push(to));
  await until(async () => (await it.depth(mail)).failed === 1);
  assert.deepEqual(seen, ["ann"]);
});

test("what a worker of a release that knows no company gave up is done by one that does", async () => {
  const mail = mailQueue("older");
  const it = queues();
  await askAll(it, mail, ["ann", "bob"]);
  const connection = redis.duplicate({ maxRetriesPerRequest: null });
  const older = new Worker(
    mail.name,
    async () => {
      throw new UnrecoverableError(`${unfitReason}: expected string`);
    },
    { connection, prefix: `{${prefix}:${mail.name}}` },
  );
  await until(async () => (await it.depth(mail)).failed === 2);
  await older.close();
  connection.disconnect();
  const seen: string[] = [];
  it.work(mail, async ({ to }) => void seen.push(to));
  await until(() => seen.length === 2);
  await until(async () => (await it.depth(mail)).failed === 0);
});

test("what is about someone is taken out of its company, and the last of all takes the carrier along", async () => {
  const mail = mailQueue("remove");
  const it = queues();
  await askAll(it, mail, ["ann", "bob", "cat", "dan"]);
  const remove = (...names: string[]) => it.remove(mail, ({ to }) => names.includes(to));
  assert.deepEqual(await Promise.all([remove("bob"), remove("cat"), remove("eve")]), [1, 1, 0]);
  const seen: string[] = [];
  const worker = queues();
  worker.work(mail, async ({ to }) => void seen.push(to));
  await until(async () => seen.length === 2 && (await it.depth(mail)).active === 0);
  assert.deepEqual(seen, ["ann", "dan"]);
  await worker.close();
  await askAll(it, mail, ["ann", "bob"]);
  assert.equal(await remove("ann", "bob"), 2);
  assert.equal((await ownCounts(mail)).ready, 0);
});

test("what a process did not finish before it was closed by force another does, and not what was done", async () => {
  const mail = mailQueue("half");
  const [first, second] = [queues(), queues()];
  const seen: string[] = [];
  const { promise: hanging, resolve: release } = Promise.withResolvers<void>();
  first.work(mail, async ({ to }) => {
    seen.push(`first ${to}`);
    if (to === "bob") await hanging;
  });
  await askAll(first, mail, ["ann", "bob", "cat"]);
  await until(() => seen.length === 3);
  await first.close(100);
  second.work(mail, async ({ to }) => void seen.push(`second ${to}`));
  await until(() => seen.length === 4, 30_000);
  await until(async () => (await second.depth(mail)).active === 0);
  assert.deepEqual(seen.slice(3), ["second bob"]);
  assert.equal((await second.depth(mail)).failed, 0);
  release();
});
