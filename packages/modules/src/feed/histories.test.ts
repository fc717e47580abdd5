import { after, before, test } from "node:test";
import { type Histories, openHistories, scrollBack } from "./testing.ts";

let histories: Histories;
before(async () => {
  histories = await openHistories();
});
after(() => histories.close());

test("feeds equal a naive model after 30 random histories", async () => {
  await histories.run(Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9)), 30);
});

test("1,500 posts are scrolled back during inserts and deletes without a gap or a repetition", () =>
  scrollBack(1_500));
