import { after, before, test } from "node:test";
import { type Histories, openHistories, scrollBack } from "./testing.ts";

let histories: Histories;
before(async () => {
  histories = await openHistories();
});
after(() => histories.close());

test("feeds equal a naive model after 25 random histories", async () => {
  const first = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));
  for (let seed = first; seed < first + 25; seed += 1) {
    try {
      await histories.run(seed);
    } catch (error) {
      throw new Error(`TEST_SEED=${seed} shows it again`, { cause: error });
    }
  }
});

test("1,500 posts are scrolled back during inserts and deletes without a gap or a repetition", () =>
  scrollBack(1_500));
