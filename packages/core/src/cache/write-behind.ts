// Write-behind: changes are gathered in memory, merged by key and written together a moment later. A crash loses what was
// gathered since the last flush, so it is for what may be off by a second: counts of views, when someone was last seen.

import type { Logger } from "../log.ts";

export type WriteBehind<Change> = {
  /** Waits only where too much is gathered already. */
  add(id: string, change: Change): Promise<void>;
  flush(): Promise<void>;
  readonly gathered: number;
  readonly failures: number;
};

export type WriteBehindOptions<Change> = {
  name: string;
  merge(before: Change, next: Change): Change;
  /** All of it is written, or it throws and nothing is: the same changes come again. */
  write(changes: Map<string, Change>): Promise<void>;
  everyMs?: number;
  maxGathered?: number;
};

export function createWriteBehind<Change>(
  { name, merge, write, everyMs = 1_000, maxGathered = 10_000 }: WriteBehindOptions<Change>,
  log: Logger,
): WriteBehind<Change> & { close(): Promise<void> } {
  let gathered = new Map<string, Change>();
  let writing: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let failures = 0;

  function gather(id: string, change: Change): void {
    const before = gathered.get(id);
    gathered.set(id, before === undefined ? change : merge(before, change));
  }

  function plan(): void {
    if (timer || closed || gathered.size === 0) return;
    timer = setTimeout(
      () => {
        timer = undefined;
        flush().catch(() => {});
      },
      everyMs * (0.8 + Math.random() * 0.4),
    );
    timer.unref();
  }

  async function writeOnce(): Promise<void> {
    if (gathered.size === 0) return;
    const changes = gathered;
    gathered = new Map();
    try {
      await write(changes);
    } catch (error) {
      failures += 1;
      log.warn({ error, writes: name, count: changes.size }, "not written yet; it is tried again");
      const later = gathered;
      gathered = changes;
      for (const [id, change] of later) gather(id, change);
      throw error;
    }
  }

  async function flush(): Promise<void> {
    // What is added while a write is under way is not part of it.
    await writing?.catch(() => {});
    writing ??= writeOnce().finally(() => {
      writing = undefined;
      plan();
    });
    await writing;
  }

  return {
    async add(id, change) {
      gather(id, change);
      if (closed || gathered.size >= maxGathered) await flush();
      else plan();
    },
    flush,
    async close() {
      closed = true;
      clearTimeout(timer);
      await flush().catch((error) =>
        log.error(
          { error, writes: name, count: gathered.size },
          "these changes are lost: nobody could write them",
        ),
      );
    },
    get gathered() {
      return gathered.size;
    },
    get failures() {
      return failures;
    },
  };
}
