// Three times more than the platform can do. The routes under test are capped by their pool: each call holds one of three
// connections for ten milliseconds, which leaves the processor to the generator. What is measured: who is still answered, how many,
// how fast, and how soon all is as before.

import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePortBase } from "../apps/cli/src/testing/harness.ts";
import { startInstallForTest } from "../apps/cli/src/testing/install.ts";
import { serveCapped } from "./harness/capped-api.ts";
import { type Connection, openConnections, percentile, saturate } from "./harness/connection.ts";
import { figure, progress, report } from "./harness/report.ts";

const poolSize = 3;
const connectionCount = 500;
const calmMs = 8_000;
const overloadMs = 20_000;
const recoveryMs = 30_000;

type Priority = "critical" | "normal" | "background";
type Asked = { priority: Priority; at: number; tookMs: number; status: number };

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`;
const requestOf: Record<Priority, string> = {
  critical: get("/v1/critical"),
  normal: get("/v1/normal"),
  background: get("/v1/background"),
};

const neverReady = () => Promise.reject(new Error("the capped front door ended before it was ready"));
const isAnswered = ({ status }: Asked) => status === 200;
const share = (asked: Asked[]) => (asked.filter(isAnswered).length / asked.length) * 100;
const p99Of = (asked: Asked[]) =>
  percentile(
    asked.filter(isAnswered).map(({ tookMs }) => tookMs),
    0.99,
  );
const rateOf = (asked: Asked[], ms: number) => asked.filter(isAnswered).length / (ms / 1_000);
const strangers = (asked: Asked[]) => asked.filter(({ status }) => status !== 200 && status !== 503).length;

if (process.send && process.argv[2] === "capped") {
  await serveCapped();
  await once(process, "disconnect");
  process.exit();
}

progress("starting an install of its own, and beside it a front door with a small pool");
const install = await startInstallForTest({ portBase: await freePortBase() });
const run = install.runFile();
const port = Number(new URL(run.api).port) + 10;
const capped = fork(import.meta.filename, ["capped"], {
  env: {
    ...process.env,
    NODE_ENV: "production",
    LOG_LEVEL: "error",
    DATABASE_URL: run.postgres,
    REDIS_URL: run.redis,
    SIGNALBOX_NAME: "capped",
    SIGNALBOX_POOL_SIZE: `${poolSize}`,
    SIGNALBOX_PUBLIC_URL: run.api,
    SIGNALBOX_GATEWAY_PORT: `${port}`,
    SIGNALBOX_DATA_DIR: join(install.dataDir, "capped"),
    SIGNALBOX_SECRET_FILE: join(install.dataDir, "secrets", "master.key"),
  },
});

try {
  await Promise.race([once(capped, "message"), once(capped, "exit").then(neverReady)]);
  await liftLimits();
  const next = mixOf();
  const connections = await openConnections(port, connectionCount);

  await saturate(connections.slice(0, 2 * poolSize), 2_000, () => requestOf.normal);
  const { rate: peak } = await saturate(connections.slice(0, 2 * poolSize), 4_000, () => requestOf.normal);
  progress(`at most ${Math.round(peak)} answers a second`);

  const calm = await offer(connections, { rate: 0.8 * peak, ms: calmMs }, next);
  const calmP99 = p99Of(calm);
  progress(`at 80 % of that: p99 ${calmP99.toFixed(1)} ms, ${share(calm).toFixed(2)} % answered`);

  const crowded = await offer(connections, { rate: 3 * peak, ms: overloadMs }, next);
  const critical = crowded.filter(({ priority }) => priority === "critical");
  const p99 = p99Of(crowded);
  for (const priority of ["critical", "normal", "background"] as const) {
    const own = crowded.filter((one) => one.priority === priority);
    progress(`at 300 %: ${priority} ${share(own).toFixed(2)} % of ${own.length} answered`);
  }
  const quickest = Math.max(50, Math.round(2 * calmP99));
  const recovery = await recover(connections, 0.5 * peak, next, quickest);

  report("overload", [
    figure("critical calls answered at three times the load", share(critical), {
      unit: "%",
      bar: 99,
      better: "higher",
    }),
    figure(
      "answers a second at three times the load, of the most there can be",
      rateOf(crowded, overloadMs) / peak,
      {
        unit: "x",
        bar: 0.8,
        better: "higher",
      },
    ),
    figure(`p99 of what was let in (at 80 % load: ${calmP99.toFixed(1)} ms)`, p99, {
      unit: "ms",
      bar: quickest,
      better: "lower",
    }),
    figure("back to normal after", recovery, { unit: "s", bar: 30, better: "lower" }),
    figure(
      "answers that are neither the thing nor a refusal that says when to come back",
      strangers(crowded),
      {
        unit: "answers",
        bar: 0,
        better: "lower",
      },
    ),
  ]);
  for (const each of connections) each.close();
} finally {
  capped.kill();
  await install.stop();
}

/** Of ten calls two are critical, five normal and three in the background. */
function mixOf(): () => { priority: Priority; request: string } {
  const order = "nbcnbnncbn".split("").map((letter) => {
    const priority = letter === "c" ? "critical" : letter === "n" ? "normal" : "background";
    return { priority, request: requestOf[priority] } as const;
  });
  let at = 0;
  return () => order[at++ % order.length]!;
}

/** Asks at a fixed rate whatever the answers; resolves when all of them are there. */
async function offer(
  connections: Connection[],
  { rate, ms }: { rate: number; ms: number },
  next: () => { priority: Priority; request: string },
): Promise<Asked[]> {
  const all: Asked[] = [];
  const total = Math.floor((rate * ms) / 1_000);
  const began = performance.now();
  let under = 0;
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - began) * rate) / 1_000));
    for (; sent < due; sent += 1) {
      const { priority, request } = next();
      const at = performance.now();
      const done = (status: number) => {
        under -= 1;
        all.push({ priority, at, tookMs: performance.now() - at, status });
      };
      under += 1;
      connections[sent % connections.length]!.ask(request).then(
        ({ status }) => done(status),
        () => done(0),
      );
    }
    await pause(1);
  }
  while (under > 0) await pause(1);
  return all;
}

/** Seconds until everyone is answered again as fast as before, a second at a time. */
async function recover(
  connections: Connection[],
  rate: number,
  next: Parameters<typeof offer>[2],
  quickest: number,
) {
  const began = performance.now();
  while (performance.now() - began < recoveryMs) {
    const second = await offer(connections, { rate, ms: 1_000 }, next);
    if (second.every(isAnswered) && p99Of(second) <= quickest) return (performance.now() - began) / 1_000;
  }
  return Number.NaN;
}

async function liftLimits(): Promise<void> {
  const limit = { rate: 1_000_000, burst: 10_000_000, reason: "a benchmark is one address" };
  for (const key of ["address", "user"]) await put(`limits/${key}`, limit);
}

async function put(path: string, body: object): Promise<void> {
  const answer = await fetch(`${run.operator}/operator/v1/${path}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${install.operatorToken}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path} could not be set: ${await answer.text()}`);
}
