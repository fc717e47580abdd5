// Ends a process in the reverse order of its start: stop taking work, finish what is under way, then close connections.

import type { Logger } from "./log.ts";

export type Shutdown = {
  /** Later ones are closed first. */
  add(name: string, close: () => Promise<unknown> | unknown): void;
  run(reason: string): Promise<void>;
  readonly stopping: boolean;
};

export function createShutdown(log: Logger, limitMs = 8_000): Shutdown {
  const steps: { name: string; close: () => unknown }[] = [];
  let running: Promise<void> | undefined;

  async function closeAll(reason: string) {
    log.info({ reason }, "stopping");
    for (const { name, close } of steps.reverse()) {
      try {
        await close();
      } catch (error) {
        log.warn({ error, part: name }, "this part did not stop cleanly");
      }
    }
    log.info("stopped");
  }

  const shutdown: Shutdown = {
    add: (name, close) => void steps.push({ name, close }),
    run(reason) {
      running ??= closeAll(reason);
      return running;
    },
    get stopping() {
      return running !== undefined;
    },
  };

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      setTimeout(() => process.exit(1), limitMs).unref();
      shutdown.run(signal).then(() => process.exit(0));
    });
  }
  return shutdown;
}
