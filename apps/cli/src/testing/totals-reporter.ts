// A node:test reporter that leaves the totals of a run for the test command to add up.
import type { TestEvent } from "node:test/reporters";

export default async function* totals(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let counts = { passed: 0, failed: 0, skipped: 0 };
  for await (const event of source) {
    if (event.type !== "test:summary" || event.data.file) continue;
    const { passed, failed, cancelled, skipped, todo } = event.data.counts as Record<string, number>;
    counts = { passed: passed!, failed: failed! + cancelled!, skipped: skipped! + todo! };
  }
  yield JSON.stringify(counts);
}
