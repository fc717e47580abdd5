// Process: keeps the database's log and takes backups by itself, checks each, keeps the newest, copies them elsewhere, and says
// how it is.
import { basename } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { readConfig } from "@signalbox/core/config";
import { createHealth } from "@signalbox/core/health";
import { gauges, serveHealth } from "@signalbox/core/health-server";
import { createLogger } from "@signalbox/core/log";
import { createShutdown } from "@signalbox/core/shutdown";
import { openArchive, peekManifest } from "./archive.ts";
import { isBucketAddress } from "./bucket.ts";
import { lastDrill } from "./drill.ts";
import { openKeys } from "./keys.ts";
import { keepLog, logFolder, segmentOf } from "./log-archive.ts";
import { readSourceFromEnvironment } from "./origin.ts";
import { bucketAt, secondCopyAt } from "./second-copy.ts";
import { shipLog } from "./ship-log.ts";
import { listBackups, removeOld, removeOldLog } from "./store.ts";
import { takeBackup } from "./take.ts";

const config = readConfig(process.env);
const log = createLogger({
  name: config.SIGNALBOX_NAME,
  level: config.LOG_LEVEL,
  version: config.SIGNALBOX_VERSION,
  track: config.SIGNALBOX_TRACK,
});
const folder = config.SIGNALBOX_BACKUP_DIR;
if (!folder) throw new Error("SIGNALBOX_BACKUP_DIR is not set: it names the folder that backups go to");
const { SIGNALBOX_BACKUP_COPY: copy, SIGNALBOX_BACKUP_KEEP: keep } = config;
const bucketAddress = copy && isBucketAddress(copy) ? copy : undefined;
const second = copy ? secondCopyAt(copy, process.env) : undefined;
const everyMs = config.SIGNALBOX_BACKUP_HOURS * 3_600_000;
const shutdown = createShutdown(log);
const stopping = new AbortController();

let isWanted = false;
let failures = 0;
let lastFault: string | undefined;
const source = readSourceFromEnvironment();
const archive = keepLog({
  databaseUrl: source.databaseUrl,
  folder,
  ...(copy && !bucketAddress && { copy }),
  signal: stopping.signal,
  begins() {
    isWanted = true;
  },
  warn: (text, error) => log.warn({ error }, text),
});
const shipping =
  bucketAddress &&
  shipLog(logFolder(folder), bucketAt(bucketAddress, process.env), stopping.signal, (error) => {
    archive.status.copyFaults += 1;
    log.warn({ error }, "the second copy of the log can not be written; trying again");
  });

async function schedule(): Promise<void> {
  for (let waitMs = 1_000; !stopping.signal.aborted; ) {
    await pause(waitMs, undefined, { signal: stopping.signal }).catch(() => {});
    if (stopping.signal.aborted) return;
    waitMs = 1_000;
    const [newest] = listBackups(folder!);
    const isDue = !newest || Date.now() - newest.takenAt.getTime() >= everyMs;
    if ((!isDue && !isWanted) || !archive.status.isStreaming) continue;
    try {
      await takeOne();
      isWanted = false;
      lastFault = undefined;
    } catch (error) {
      failures += 1;
      lastFault = error instanceof Error ? error.message : String(error);
      log.error({ error }, "no backup was taken; trying again in a minute");
      waitMs = 60_000;
    }
  }
}

async function takeOne(): Promise<void> {
  const { path, bytes, manifest } = await takeBackup(source, folder!, (text) => log.debug(text));
  const written = await openArchive(path);
  openKeys(written.sealedKeys, source.passphrase, written.manifestDigest);
  if (second) {
    try {
      await second.put(path);
      await second.removeOld(keep);
    } catch (error) {
      failures += 1;
      lastFault = "the second copy could not be written";
      log.error({ error, copy }, lastFault);
    }
  }
  const gone = removeOld(folder!, keep);
  const oldest = listBackups(folder!).at(-1);
  const kept = oldest && peekManifest(oldest.path);
  if (kept) {
    const { timeline, segmentBytes } = kept.postgres;
    const first = segmentOf(kept.start, timeline, segmentBytes);
    removeOldLog(logFolder(folder!), first);
    await second
      ?.removeOldLog(first)
      .catch((error) => log.warn({ error, copy }, "old log of the second copy is still there"));
  }
  log.info(
    { backup: basename(path), bytes, schema: manifest.schema, gone },
    "a backup was taken and checked",
  );
}

const ageSeconds = (at: string | Date | undefined) =>
  at === undefined ? undefined : Math.max(0, (Date.now() - new Date(at).getTime()) / 1000);

const health = createHealth({ version: config.SIGNALBOX_VERSION, serviceId: config.SIGNALBOX_NAME });
health.add("log", "datastore", async () =>
  archive.status.isStreaming
    ? { status: "pass" }
    : { status: "fail", output: "the database's log is not being kept" },
);
health.add(
  "backup",
  "component",
  async () => (lastFault === undefined ? { status: "pass" } : { status: "fail", output: lastFault }),
  { required: false },
);
const server = await serveHealth({
  host: config.SIGNALBOX_HOST,
  port: config.SIGNALBOX_HEALTH_PORT,
  health,
  metrics() {
    const kept = listBackups(folder);
    const drilled = lastDrill(folder);
    const { status } = archive;
    return gauges({
      signalbox_backup_age_seconds: ageSeconds(kept[0]?.takenAt),
      signalbox_backup_bytes: kept[0]?.bytes,
      signalbox_backup_kept: kept.length,
      signalbox_backup_failures_total: failures,
      signalbox_backup_copy_failures_total: status.copyFaults,
      signalbox_backup_log_streaming: status.isStreaming ? 1 : 0,
      signalbox_backup_log_behind_bytes: Math.max(0, Number(status.reached - status.flushed)),
      signalbox_backup_log_heard_seconds: status.heardAt ? (Date.now() - status.heardAt) / 1000 : undefined,
      signalbox_backup_drill_age_seconds: ageSeconds(drilled?.drilledAt),
      signalbox_backup_drill_ok: drilled && (drilled.ok ? 1 : 0),
      signalbox_backup_drill_rows: drilled?.rows,
    });
  },
});
log.info({ folder, copy, port: server.port }, "backups are taken by themselves");
const scheduling = schedule();
shutdown.add("health port", () => server.close());
shutdown.add("backups", async () => {
  stopping.abort();
  await Promise.all([archive.done, shipping, scheduling]);
});
shutdown.add("readiness", () => health.drain());
