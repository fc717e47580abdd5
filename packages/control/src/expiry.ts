// Does what has a time: tells the log of every value that is over, and makes planned changes. Any number of processes may do it:
// the log's own lock lets exactly one of them write each.

import type { Logger } from "@signalbox/core/log";
import { type ChangeDeps, recordExpiry } from "./changes.ts";
import { type Section, sections } from "./fold.ts";
import { runDue } from "./schedules.ts";
import { expired } from "./settings.ts";

const roundMs = 500;

export function createExpirySweep(deps: ChangeDeps & { log: Logger; now?: () => number }): {
  start(): void;
  close(): Promise<void>;
} {
  const { log, live, now = Date.now } = deps;
  let timer: NodeJS.Timeout | undefined;
  let round = Promise.resolve();

  async function sweep(): Promise<void> {
    const settings = live.current();
    for (const section of Object.keys(sections) as Section[]) {
      const entries: Record<string, { revision: number; expiresAt: string | null }> =
        settings[sections[section].field];
      for (const [key, setting] of Object.entries(entries)) {
        // A local override has no event that could expire.
        if (setting.revision === 0 || !expired(setting, now())) continue;
        const done = await recordExpiry(deps, section, key);
        if (done) log.info({ key, revision: done.revision }, "a setting's time was over; it is reverted");
      }
    }
    await runDue(deps, now());
  }

  const plan = () => {
    timer = setTimeout(
      () => {
        // Postgres being away delays the entry in the log, not the revert.
        round = sweep().catch((error) => log.debug({ error }, "expiries could not be written yet"));
        void round.then(() => timer && plan());
      },
      roundMs * (0.8 + Math.random() * 0.4),
    );
    timer.unref();
  };

  return {
    start: plan,
    async close() {
      clearTimeout(timer);
      timer = undefined;
      await round;
    },
  };
}
