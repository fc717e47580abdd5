import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createLogger } from "@signalbox/core/log";
import { createDependencies } from "@signalbox/core/resilience/dependencies";
import { freePort } from "@signalbox/core/testing/free-port";
import postgres from "postgres";
import { openReplicas } from "./replicas.ts";

test("a server that takes writes itself, or that is not there, is no copy to read from", async (t) => {
  const url = process.env.TEST_DATABASE_URL!;
  const log = createLogger({ name: "test", level: "silent" });
  const primary = postgres(url, { max: 1 });
  const replicas = openReplicas({
    urls: [url, `postgres://nobody@127.0.0.1:${await freePort()}/nothing`],
    name: "test",
    poolSize: 1,
    primary,
    dependencies: createDependencies({ log, forced: () => undefined }),
    log,
    maxLagMs: () => 60_000,
  });
  t.after(async () => {
    await replicas.close();
    await primary.end();
  });
  const faults = () => replicas.list().map(({ fault }) => fault);
  const wanted = ["it is no copy: it takes writes itself", "it does not answer"];
  for (const end = Date.now() + 20_000; Date.now() < end && faults().join() !== wanted.join(); )
    await pause(20);
  assert.deepEqual(faults(), wanted);
  assert.equal(replicas.having(0n, "anyone"), undefined);
  const before = await replicas.position();
  await primary`select pg_logical_emit_message(true, 'test', 'moves the log')`;
  assert.ok((await replicas.position()) > before);
});
