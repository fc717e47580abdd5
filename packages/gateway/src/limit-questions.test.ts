import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { connectRedis } from "@signalbox/core/redis";
import { createLimitQuestions } from "./limit-questions.ts";

const redis = connectRedis(process.env.TEST_REDIS_URL!);
after(() => redis.disconnect());

for (const [way, ratePerMs] of [
  ["a token bucket", 1e-9],
  ["a sliding window", 0],
] as const)
  test(`callers who are asked about together each get their own answer: ${way}`, async (t) => {
    const prefix = `test-${randomBytes(6).toString("hex")}`;
    t.after(async () => {
      await redis.del(...(await redis.keys(`${prefix}:*`)));
    });
    const ask = createLimitQuestions(redis);
    const quota = 20;
    // More than one question holds, and in no order.
    const spent = Array.from({ length: 80 }, (_, n) => (n * 7) % quota);
    const tell = (want: number, told: number[]) =>
      Promise.all(
        told.map((spent, n) =>
          ask({ name: `${prefix}:{${n}}`, quota, ratePerMs, windowMs: 600_000, spent, want }),
        ),
      );
    const before = await tell(
      0,
      spent.map(() => 0),
    );
    assert.ok(before.every(({ granted, left }) => granted === 0 && left === quota));
    const after = await tell(15, spent);
    assert.deepEqual(
      after.map(({ granted }) => granted),
      spent.map((n) => Math.min(15, quota - n)),
    );
    assert.deepEqual(
      after.map(({ left }) => Math.round(left)),
      spent.map((n) => Math.max(0, quota - n - 15)),
    );
  });
