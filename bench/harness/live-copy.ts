// A process that holds the live settings and nothing else, and says when it enforces which revision: most of a large install.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLive } from "@signalbox/control/live";
import { createLogger } from "@signalbox/core/log";
import { connectRedis } from "@signalbox/core/redis";
import { connectDatabase } from "@signalbox/db";

const { databaseUrl, redisUrl, secret, id } = JSON.parse(process.argv[2]!) as Record<string, string>;
const dataDir = mkdtempSync(join(tmpdir(), "signalbox-live-copy-"));
const database = connectDatabase(databaseUrl!, { name: id!, poolSize: 1 });
const live = createLive({
  log: createLogger({ name: id!, level: "silent" }),
  sql: database.watch,
  redis: connectRedis(redisUrl!, { onError: () => {} }),
  secret: secret!,
  dataDir,
  instance: { id: id! },
});
await live.start();
live.onChange(({ revision }) => void process.send!({ revision }));
process.send!({ revision: live.revision });
process.on("disconnect", () => {
  rmSync(dataDir, { recursive: true, force: true });
  process.exit();
});
