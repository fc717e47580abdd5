import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { listen } from "./listen.ts";
import { connectRedis } from "./redis.ts";
import { startOwnRedis } from "./testing/own-redis.ts";

async function until(what: string, is: () => boolean): Promise<void> {
  for (let left = 1_000; !is(); left -= 1) {
    assert.ok(left > 0, what);
    await pause(10);
  }
}

test("who may not listen any more goes on without it, and hears again once he may", async () => {
  const server = await startOwnRedis();
  const redis = connectRedis(server.url, { onError: () => {} });
  const heard: string[] = [];
  let readied = 0;
  const listener = listen(redis, "news", {
    message: (text) => void heard.push(text),
    ready: () => void readied++,
  });
  try {
    await until("it listens", () => listener.connected);
    await redis.call("ACL", "SETUSER", "default", "resetchannels");
    await until("it knows that it does not hear", () => !listener.connected);
    // Long enough to be refused.
    await pause(500);
    assert.equal(listener.connected, false);
    await redis.call("ACL", "SETUSER", "default", "allchannels");
    await until("it listens again", () => listener.connected);
    assert.equal(readied, 2);
    await redis.publish("news", "hello");
    await until("it hears", () => heard.length === 1);
  } finally {
    listener.close();
    redis.disconnect();
    await server.end();
  }
});
