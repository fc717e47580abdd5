// What must be done now and then and by anyone: partitions of the outbox, old marks, streams that grew.

import { busKeys, defaultPartitions } from "@signalbox/core/bus/keys";
import { trimStreams } from "@signalbox/core/bus/trim";
import type { Logger } from "@signalbox/core/log";
import type { Redis } from "@signalbox/core/redis";
import type { Sql } from "@signalbox/db";
import { maintainOutbox } from "@signalbox/db/outbox-partitions";

const keep = { hours: 48, entries: 25_000 };
const outboxEveryMs = 600_000;
const trimEveryMs = 30_000;

export type Upkeep = { close(): void };

export function startUpkeep(parts: { sql: Sql; redis: Redis; log: Logger }): Upkeep {
  const { sql, redis, log } = parts;
  const tasks = [
    repeat("the outbox's partitions", outboxEveryMs, async () => {
      const done = await maintainOutbox(sql);
      if (done && done.created.length + done.dropped.length > 0) log.info(done, "outbox partitions");
    }),
    repeat("trimming the bus", trimEveryMs, async () => {
      const trimmed = await trimStreams(redis, busKeys(), defaultPartitions, keep);
      if (trimmed > 0) log.debug({ trimmed }, "the bus was trimmed");
    }),
  ];

  function repeat(name: string, everyMs: number, work: () => Promise<void>) {
    let timer: NodeJS.Timeout;
    const run = async () => {
      let waitMs = everyMs * (0.9 + Math.random() * 0.2);
      try {
        await work();
      } catch (error) {
        log.warn({ error, task: name }, "upkeep failed; it is tried again soon");
        waitMs = Math.min(waitMs, 15_000);
      }
      timer = setTimeout(run, waitMs);
    };
    timer = setTimeout(run, 0);
    return () => clearTimeout(timer);
  }

  return {
    close() {
      for (const stop of tasks) stop();
    },
  };
}
