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
  const sum = { events: 0, posts: 0 };
  const began = Date.now();
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      const { events, posts } = await histories.run(seed);
      sum.events += events;
      sum.posts += posts;
    } catch (error) {
      throw new Error(`TEST_SEED=${seed} shows it again`, { cause: error });
    }
  }
  assert.ok(sum.posts > count && sum.events > count);
  console.log(
    `${count} histories from seed ${first}: ${sum.events} events, ${sum.posts} posts, ${Date.now() - began} ms`,
  );
});

test("5,000 posts are scrolled back during inserts and deletes without a gap or a repetition", () =>
  scrollBack(5_000));
