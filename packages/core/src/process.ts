// How a process of the platform begins, the same for all of them: what it is told, what it writes, and in which order it will leave.

import { type Config, ConfigError, readConfig } from "./config.ts";
import { createLogger, type Logger } from "./log.ts";
import { createShutdown, type Shutdown } from "./shutdown.ts";

export type Begun = { config: Config; log: Logger; shutdown: Shutdown };

/** A process that can not begin says why, and ends. */
export async function runProcess(main: (begun: Begun) => unknown): Promise<void> {
  try {
    const config = readConfig(process.env);
    const log = createLogger({
      name: config.SIGNALBOX_NAME,
      level: config.LOG_LEVEL,
      version: config.SIGNALBOX_VERSION,
      track: config.SIGNALBOX_TRACK,
    });
    await main({ config, log, shutdown: createShutdown(log) });
  } catch (error) {
    // A wrong configuration is the reader's to mend; anything else is ours, and its stack helps.
    console.error(error instanceof ConfigError ? error.message : error);
    process.exit(1);
  }
}
