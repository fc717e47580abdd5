import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { test } from "node:test";
import { yieldPool } from "./pool-priority.ts";

/** By the names of this process's threads; field 19 of `stat` is how nice one is. */
const threads = () =>
  readdirSync("/proc/self/task").map((thread) => {
    const line = readFileSync(`/proc/self/task/${thread}/stat`, "utf8");
    const nameEnd = line.lastIndexOf(")");
    return {
      id: thread,
      isPool: line.slice(0, nameEnd).includes("libuv-worker"),
      nice: Number(line.slice(nameEnd + 2).split(" ")[16]),
    };
  });

test("the pool steps aside for the thread that answers, and no other thread does", {
  skip: process.platform !== "linux" && "threads have priorities of their own on Linux alone",
}, async () => {
  // Makes the pool, where nothing has yet.
  await stat("/proc/self");
  const others = () => threads().filter(({ isPool }) => !isPool);
  const before = others();
  yieldPool();
  const pool = threads().filter(({ isPool }) => isPool);
  assert.ok(pool.length > 0);
  assert.deepEqual(new Set(pool.map(({ nice }) => nice)), new Set([5]));
  for (const { id, nice } of others())
    assert.equal(nice, before.find((thread) => thread.id === id)?.nice ?? nice);
});
