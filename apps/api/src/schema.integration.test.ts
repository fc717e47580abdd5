import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "@signalbox/core/testing/free-port";
import { migrate } from "@signalbox/db/migrate";
import { createEmptyTestDatabase } from "@signalbox/db/testing";
import { createProcesses, type Processes } from "./testing/processes.ts";

let database: Awaited<ReturnType<typeof createEmptyTestDatabase>>;
let processes: Processes;

before(async () => {
  database = await createEmptyTestDatabase();
  processes = createProcesses({ databaseUrl: database.url, redisUrl: process.env.TEST_REDIS_URL! });
});
after(async () => {
  await processes?.close();
  await database?.drop();
});

type Report = { status: string; reason?: string };

test("a process that comes before the migrations says so, and takes calls once they are done", async () => {
  const [port, healthPort] = [await freePort(), await freePort()];
  const starting = processes.start({ SIGNALBOX_HEALTH_PORT: `${healthPort}` }, port);
  starting.catch(() => {});
  const ask = async (at: number, path: string) =>
    fetch(`http://127.0.0.1:${at}${path}`).catch(() => undefined);
  let early: Response | undefined;
  for (let left = 600; !early && left > 0; left -= 1) {
    early = await ask(port, "/readyz");
    if (!early) await pause(50);
  }
  assert.equal(early?.status, 503);
  assert.equal(((await early.json()) as Report).reason, "schema_behind");
  assert.equal((await ask(port, "/livez"))?.status, 200);
  await migrate(database.url);
  await starting;

  assert.equal((await ask(healthPort, "/readyz"))?.status, 200);
  const metrics = await (await ask(healthPort, "/metrics"))!.text();
  assert.match(metrics, /^signalbox_gateway_requests_total [1-9]/m);
  assert.equal((await ask(port, "/metrics"))?.status, 404);
});
