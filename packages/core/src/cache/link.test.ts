import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createLogger } from "../log.ts";
import { connectRedis } from "../redis.ts";
import { startOwnRedis } from "../testing/own-redis.ts";
import { createLink } from "./link.ts";

test("while few values are asked for, one question does not wait for another; what else comes goes together", async () => {
  const own = await startOwnRedis({ keepsData: false });
  const redis = connectRedis(own.url);
  const link = createLink({
    redis,
    log: createLogger({ name: "test", level: "silent" }),
    news: { changed() {}, allChanged() {}, unsure() {} },
    instance: "one",
  });
  const read = (keys: string[]) =>
    new Promise<void>((resolve, reject) => link.read({ keys, take: () => resolve(), fail: reject }));
  const questions = async () =>
    Number(/cmdstat_mget:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1] ?? 0);
  /** One after the other, before Redis answers the first of them. */
  async function ask(...asked: string[][]): Promise<number> {
    const before = await questions();
    await redis.call("CLIENT", "PAUSE", 200, "ALL");
    const reads: Promise<void>[] = [];
    for (const keys of asked) {
      reads.push(read(keys));
      await pause(10);
    }
    await Promise.all(reads);
    return (await questions()) - before;
  }
  try {
    await link.start(2_000);
    assert.equal(await ask(["a"], ["b"], ["c"], ["d"]), 3, "two at once, then the rest");
    const many = Array.from({ length: 8 }, (_, n) => `many-${n}`);
    assert.equal(await ask(many, ["b"], ["c"], ["d"]), 2, "one, then the rest");
  } finally {
    link.close();
    redis.disconnect();
    await own.end();
  }
});
