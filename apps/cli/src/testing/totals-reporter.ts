// A node:test reporter that leaves the totals of a run for the test command to add up. It also notices when nothing
// has happened for too long: a file that never ends (a forgotten connection, say) has no timeout of its own in node:test,
// but the runner names it when it is interrupted.
import type { TestEvent } from "node:test/reporters";

export default async function* totals(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let counts = { passed: 0, failed: 0, skipped: 0 };
  const quietMs = Number(process.env.SIGNALBOX_TEST_QUIET_MS ?? 120_000);
  const watchdog = setTimeout(() => process.kill(process.pid, "SIGINT"), quietMs);
  for await (const event of source) {
    watchdog.refresh();
    if (event.type !== "test:summary" || event.data.file) continue;
    const { passed, failed, cancelled, skipped, todo } = event.data.counts as Record<string, number>;
    counts = { passed: passed!, failed: failed! + cancelled!, skipped: skipped! + todo! };
  }
  clearTimeout(watchdog);
  yield JSON.stringify(counts);
}
