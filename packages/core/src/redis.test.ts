// A Redis that is taken away in whatever state its connection is: nobody waits for it, and it is used again when it is back.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { listen } from "./listen.ts";
import { connectAnother, connectRedis, type Redis, whenReady } from "./redis.ts";
import { createBreaker } from "./resilience/breaker.ts";
import { Deadline, withDeadline } from "./resilience/deadline.ts";
import { type OwnRedis, startOwnRedis } from "./testing/own-redis.ts";

let own: OwnRedis;
before(async () => {
  own = await startOwnRedis({ keepsData: false });
});
after(() => own.end());

async function opened(work: (redis: Redis) => Promise<void>): Promise<void> {
  // Nothing but its own tries closes it within a test.
  const breaker = createBreaker({ name: "redis", minCalls: 5, openMs: 600_000 });
  const redis = connectRedis(own.url, { breaker });
  try {
    await whenReady(redis, 10_000);
    await work(redis);
  } finally {
    own.resume();
    redis.disconnect();
  }
}

const inCall = <T>(work: () => Promise<T>): Promise<T> => withDeadline(new Deadline(60_000), work);
const isRefused = (work: Promise<unknown>) =>
  work.then(
    () => false,
    () => true,
  );

async function until(
  what: () => Promise<boolean> | boolean,
  title: string,
  withinMs = 15_000,
): Promise<void> {
  for (const end = performance.now() + withinMs; !(await what()); await pause(20))
    if (performance.now() > end) throw new Error(`${title}: not within ${withinMs} ms`);
}

const isBack = (redis: Redis) =>
  until(async () => !(await isRefused(inCall(() => redis.ping()))), "it is back");

/** What is asked now is refused in the same turn of the event loop: nobody waits, however slow this machine is. */
async function isNotWaitedFor(redis: Redis): Promise<void> {
  let settled = 0;
  const calls: (() => Promise<unknown>)[] = [
    () => redis.get("a"),
    () => redis.pipeline().set("a", 1).get("a").exec().then(refusedAll),
    () => redis.multi().set("a", 1).get("a").exec(),
  ];
  for (const call of calls)
    void isRefused(inCall(call)).then((refused) => {
      if (refused) settled += 1;
    });
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.equal(settled, calls.length, "refused at once");
}

function refusedAll(answers: [Error | null, unknown][] | null): void {
  for (const [error] of answers ?? []) if (error) throw error;
}

test("one that stands still is waited for once, then not at all, and used as soon as it goes on", () =>
  opened(async (redis) => {
    await redis.set("a", "1");
    own.pause();
    const waiting = Array.from({ length: 20 }, () => isRefused(inCall(() => redis.get("a"))));
    const others = [
      isRefused(redis.pipeline().get("a").get("b").exec().then(refusedAll)),
      isRefused(redis.get("a")),
    ];
    assert.ok((await Promise.all([...waiting, ...others])).every(Boolean));
    await isNotWaitedFor(redis);
    own.resume();
    await isBack(redis);
    assert.equal(await inCall(() => redis.get("a")), "1");
  }));

test("one that stands still while much is asked of it is used again all the same", () =>
  opened(async (redis) => {
    own.pause();
    const load = setInterval(() => {
      for (let n = 0; n < 20; n++) void isRefused(inCall(() => redis.get("a")));
      for (let n = 0; n < 5; n++) void isRefused(redis.pipeline().get("a").get("b").exec());
    }, 5);
    try {
      await until(() => isRefused(inCall(() => redis.get("a"))), "it is refused");
      await pause(1_500);
      own.resume();
      await isBack(redis);
    } finally {
      clearInterval(load);
    }
  }));

test("a connection that finds it standing still is not waited for, nor does it miss that it goes on", () =>
  opened(async (redis) => {
    own.pause();
    redis.disconnect(true);
    await until(() => redis.status === "connect", "the kernel takes the connection");
    await isNotWaitedFor(redis);
    await pause(500);
    await isNotWaitedFor(redis);
    own.resume();
    await isBack(redis);
  }));

test("one that is killed is not waited for, stands still as soon as it is back, and is used when it goes on", () =>
  opened(async (redis) => {
    await own.kill();
    await until(() => redis.status !== "ready", "the connection is lost");
    await isNotWaitedFor(redis);
    await own.start();
    own.pause();
    await pause(300);
    // Connected again just in time or not: one of them may wait until that is known.
    await isRefused(inCall(() => redis.get("a")));
    await isNotWaitedFor(redis);
    own.resume();
    await isBack(redis);
  }));

test("a server that takes connections and says nothing is not waited for, and gives way to a real one", () =>
  opened(async (redis) => {
    await own.kill();
    const held = new Set<Socket>();
    const silent = createServer((socket) => void held.add(socket));
    silent.listen(Number(new URL(own.url).port), "127.0.0.1");
    await once(silent, "listening");
    try {
      await until(() => held.size > 0 && redis.status === "connect", "it is connected to");
      await isNotWaitedFor(redis);
      assert.equal(await isRefused(redis.get("a")), true);
    } finally {
      silent.close();
      for (const socket of held) socket.destroy();
      await own.start();
    }
    await isBack(redis);
  }));

test("a connection that is dead and says nothing of it is opened anew", async () => {
  const target = Number(new URL(own.url).port);
  let isMute = false;
  const lines = new Set<Socket>();
  /** Takes connections, and passes nothing on of those that were there when it fell mute. */
  const between = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    let isDead = false;
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      lines.add(one.on("error", () => other.destroy()));
      one.on("data", (bytes) => {
        isDead ||= isMute;
        if (!isDead) other.write(bytes);
      });
      one.on("close", () => other.destroy());
    }
  });
  between.listen(0, "127.0.0.1");
  await once(between, "listening");
  const breaker = createBreaker({ name: "redis", minCalls: 5, openMs: 600_000 });
  const redis = connectRedis(`redis://127.0.0.1:${(between.address() as AddressInfo).port}`, { breaker });
  try {
    assert.ok(await whenReady(redis, 10_000));
    isMute = true;
    assert.ok(await isRefused(inCall(() => redis.get("a"))));
    isMute = false;
    await isBack(redis);
  } finally {
    redis.disconnect();
    between.close();
    for (const line of lines) line.destroy();
  }
});

test("a Cluster is used as one server is", async () => {
  const cluster = await startOwnRedis({ keepsData: false, isCluster: true });
  const breaker = createBreaker({ name: "redis", minCalls: 5, openMs: 600_000 });
  const redis = connectRedis(cluster.url.replace("redis:", "redis+cluster:"), { breaker });
  try {
    assert.ok(await whenReady(redis, 10_000));
    assert.equal(await inCall(() => redis.set("a", "1")), "OK");
    assert.equal(await inCall(() => redis.get("a")), "1");
    cluster.pause();
    assert.ok(await isRefused(inCall(() => redis.get("a"))));
    cluster.resume();
    await isBack(redis);
  } finally {
    redis.disconnect();
    await cluster.end();
  }
});

test("what one connection learns of its silence, the others of this process know", () =>
  opened(async (redis) => {
    const another = connectAnother(redis, { commandTimeout: 2_000 });
    try {
      await whenReady(another, 10_000);
      own.pause();
      assert.ok(await isRefused(inCall(() => another.get("a"))));
      await isNotWaitedFor(redis);
      own.resume();
      await isBack(redis);
      await isBack(another);
    } finally {
      another.disconnect();
    }
  }));

test("what was sent and not answered is not sent again over the next connection", () =>
  opened(async (redis) => {
    await redis.set("n", 0);
    own.pause();
    assert.ok(await isRefused(inCall(() => redis.incr("n"))));
    redis.disconnect(true);
    own.resume();
    await isBack(redis);
    assert.ok(Number(await redis.get("n")) <= 1);
  }));

test("who listens hears again after it stood still, whether it listened already or was about to", () =>
  opened(async (redis) => {
    const heard: string[] = [];
    const early = listen(redis, "news", { message: (text) => heard.push(`early ${text}`) });
    await until(() => early.connected, "it listens");
    own.pause();
    const late = listen(redis, "news", { message: (text) => heard.push(`late ${text}`) });
    await pause(500);
    own.resume();
    try {
      await until(() => early.connected && late.connected, "both listen");
      await isBack(redis);
      await redis.publish("news", "hello");
      await until(() => heard.length === 2, "both hear");
      assert.deepEqual(heard.sort(), ["early hello", "late hello"]);
    } finally {
      early.close();
      late.close();
    }
  }));
