// The log tells of a commit before other sessions see it: by a moment as a rule, by much more where a synchronous standby is slow or
// the machine is busy. A consumer that ran in between would read what was before, and keep it in a cache or a timeline. So
// nothing is published that can not be read yet.

import { pause } from "@signalbox/core/bus/backoff";
import type { DirectClient, LogTransaction } from "@signalbox/db/replication";

const firstLookAgainMs = 1;
const lastLookAgainMs = 50;

/** Which transactions have ended for all to see, as Postgres writes it: `xmin:xmax:xip,xip`. */
type Snapshot = { low: bigint; high: bigint; running: Set<bigint> };

export function createVisibility(control: DirectClient) {
  return {
    /** Resolves once all of them can be read, or when the session is over. */
    async reached(transactions: LogTransaction[], signal: AbortSignal): Promise<void> {
      let left = transactions.filter(({ rows }) => rows.length > 0);
      for (
        let pauseMs = firstLookAgainMs;
        !signal.aborted;
        pauseMs = Math.min(2 * pauseMs, lastLookAgainMs)
      ) {
        const { rows } = await control.query({
          name: "snapshot",
          text: "select pg_current_snapshot()::text as snapshot",
        });
        const snapshot = readSnapshot((rows[0] as { snapshot: string }).snapshot);
        left = left.filter(({ xid }) => !isVisible(snapshot, xid));
        if (left.length === 0) return;
        await pause(pauseMs, signal);
      }
    },
  };
}

export function readSnapshot(text: string): Snapshot {
  const [low = "", high = "", running = ""] = text.split(":");
  return {
    low: BigInt(low),
    high: BigInt(high),
    running: new Set(running === "" ? [] : running.split(",").map(BigInt)),
  };
}

/** The log gives the lower half of a number; of all that end so, the one that is meant lies within half a turn of the newest. */
export function isVisible({ low, high, running }: Snapshot, xid: number): boolean {
  const turn = 1n << 32n;
  let whole = (high & ~(turn - 1n)) | BigInt(xid >>> 0);
  if (whole - high > turn / 2n) whole -= turn;
  else if (high - whole > turn / 2n) whole += turn;
  return whole < low || (whole < high && !running.has(whole));
}
