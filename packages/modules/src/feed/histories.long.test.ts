import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Histories, openHistories, scrollBack } from "./testing.ts";

let histories: Histories;
before(async () => {
  histories = await openHistories();
});
after(() => histories.close());

test("feeds equal a naive model after 1,000 random histories", async () => {
  const first = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));
  const count = Number(process.env.TEST_HISTORIES ?? 1_000);
  const began = Date.now();
  const sum = await histories.run(first, count);
  assert.ok(sum.posts > count && sum.events > count);
  console.log(
    `${count} histories from seed ${first}: ${sum.events} events, ${sum.posts} posts, ${Date.now() - began} ms`,
  );
});

test("5,000 posts are scrolled back during inserts and deletes without a gap or a repetition", () =>
  scrollBack(5_000));
