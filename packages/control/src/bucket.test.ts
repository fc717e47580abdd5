import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bucketCount, bucketOf, isWithin, murmur3 } from "./bucket.ts";

// From the reference implementation (Appleby's MurmurHash3_x86_32), as published with the algorithm's ports.
const reference: [text: string, seed: number, hash: number][] = [
  ["", 0, 0],
  ["", 1, 0x514e28b7],
  ["", 0xffffffff, 0x81f16f39],
  ["a", 0x9747b28c, 0x7fa09ea6],
  ["aa", 0x9747b28c, 0x5d211726],
  ["aaa", 0x9747b28c, 0x283e0130],
  ["aaaa", 0x9747b28c, 0x5a97808a],
  ["ab", 0x9747b28c, 0x74875592],
  ["abc", 0x9747b28c, 0xc84a62dd],
  ["abcd", 0x9747b28c, 0xf0478627],
  ["test", 0, 0xba6bd213],
  ["test", 0x9747b28c, 0x704b81dc],
  ["Hello, world!", 0, 0xc0363e43],
  ["Hello, world!", 0x9747b28c, 0x24884cba],
  ["The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723],
  ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
  ["ππππππππ", 0x9747b28c, 0xd58063c1],
];

test("murmur3 gives the values of the reference implementation", () => {
  for (const [text, seed, hash] of reference)
    assert.equal(
      murmur3(text, seed).toString(16),
      hash.toString(16),
      `${JSON.stringify(text)} with seed ${seed}`,
    );
});

type Vectors = { units: string[]; buckets: Record<string, number[]> };
const vectorsUrl = new URL("../vectors/buckets.json", import.meta.url);

test("the ten thousand published vectors hold, which another implementation made", () => {
  const { units, buckets } = JSON.parse(readFileSync(vectorsUrl, "utf8")) as Vectors;
  let checked = 0;
  for (const [salt, expected] of Object.entries(buckets))
    for (const [at, unit] of units.entries()) {
      assert.equal(bucketOf(salt, unit), expected[at], `${salt}:${unit}`);
      checked += 1;
    }
  assert.equal(checked, 10_000);
});

test("buckets are filled evenly, and each salt draws anew", () => {
  const units = 200_000;
  const cells = 100;
  const both = new Map<string, number>();
  const filled = new Array<number>(cells).fill(0);
  for (let n = 0; n < units; n++) {
    const one = Math.floor(bucketOf("feed.post.create", `user-${n}`) / (bucketCount / cells));
    const other = Math.floor(bucketOf("feed.home.read", `user-${n}`) / (bucketCount / 10));
    filled[one]! += 1;
    const pair = `${Math.floor(one / 10)},${other}`;
    both.set(pair, (both.get(pair) ?? 0) + 1);
  }
  const chiSquare = (counts: Iterable<number>, expected: number) =>
    [...counts].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // With 99 degrees of freedom an even spread stays below 148.2 in 999 of 1,000 draws; this draw is always the same one.
  const spread = chiSquare(filled, units / cells);
  assert.ok(spread < 148.2, `chi square of the spread is ${spread}`);
  const together = chiSquare(both.values(), units / 100);
  assert.ok(both.size === 100 && together < 148.2, `chi square of two salts together is ${together}`);
});

test("raising a share leaves out nobody who was in, and shares are what they say", () => {
  const units = Array.from({ length: 200_000 }, (_, n) => `user-${n}`);
  let before = new Set<string>();
  for (const share of [0, 0.001, 1, 5, 25, 50, 99.999, 100]) {
    const within = new Set(units.filter((unit) => isWithin(share, "salt", unit)));
    for (const unit of before) assert.ok(within.has(unit), `${unit} fell out at ${share} %`);
    const deviation = Math.abs((within.size / units.length) * 100 - share);
    assert.ok(deviation < 0.25, `${share} % came to ${(within.size / units.length) * 100} %`);
    before = within;
  }
});

test("every bucket lies in range", () => {
  for (let n = 0; n < 10_000; n++) {
    const bucket = bucketOf("s", String(n));
    assert.ok(Number.isInteger(bucket) && bucket >= 0 && bucket < bucketCount);
  }
});
