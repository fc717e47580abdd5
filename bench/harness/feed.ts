// What the feed's benchmarks share: an install with its limits lifted, people in numbers, and one way to drive requests.

import { setTimeout as pause } from "node:timers/promises";
import { startInstallForTest, type TestInstall } from "../../apps/cli/src/testing/install.ts";
import { createPeople } from "../../apps/cli/src/testing/people.ts";
import { connectRedis, type Redis } from "../../packages/core/src/redis.ts";
import { connectDatabase, type Database } from "../../packages/db/src/index.ts";
import { timelineKey } from "../../packages/modules/src/feed/timeline.ts";
import type { Connection } from "./connection.ts";
import { progress } from "./report.ts";

export type FeedInstall = {
  run: ReturnType<TestInstall["runFile"]>;
  people: ReturnType<typeof createPeople>;
  sql: Database["sql"];
  redis: Redis;
  port: number;
  idOf(token: string): Promise<string>;
  addPeople(ids: string[]): Promise<void>;
  /** Until the reader's list is built; the first read begins it. */
  untilListed(userId: string, token: string): Promise<void>;
  stop(): Promise<void>;
};

export async function startFeedInstall(portBase: number): Promise<FeedInstall> {
  progress("starting an install of its own");
  const install = await startInstallForTest({ portBase });
  const run = install.runFile();
  await liftLimits(install);
  const database = connectDatabase(run.postgres, { name: "bench", poolSize: 2 });
  const { sql } = database;
  const redis = connectRedis(run.redis);
  const people = createPeople(run.api);
  return {
    run,
    people,
    sql,
    redis,
    port: Number(new URL(run.api).port),
    idOf: async (token) => (await people.call("GET", "/v1/me", token)).body.id as string,
    async addPeople(ids) {
      const handles = ids.map((id) => `p${id.replaceAll("-", "").slice(-20)}`);
      await sql`
        insert into users (id, handle, display_name) select id, handle, handle
        from unnest(${ids}::uuid[], ${handles}::text[]) as person (id, handle)`;
      await sql`insert into user_counts (user_id) select unnest(${ids}::uuid[])`;
    },
    async untilListed(userId, token) {
      for (let tries = 0; tries < 200; tries += 1) {
        await people.call("GET", "/v1/feed", token);
        const last = await redis.lindexBuffer(timelineKey(userId), -1);
        if (last?.length === 16) return;
        await pause(50);
      }
      throw new Error("the reader's timeline was not built");
    },
    async stop() {
      redis.disconnect();
      await database.close();
      await install.stop();
    },
  };
}

/** One address sends all of this, and a machine that others use too must not look overloaded. */
async function liftLimits(install: TestInstall): Promise<void> {
  const limit = { rate: 1_000_000, burst: 10_000_000 };
  for (const [path, values] of [
    ["limits/address", limit],
    ["limits/user", limit],
    ["limits/auth.account.register", limit],
    ["shed/*", { minInFlight: 256, eventLoopDelayMs: 10_000 }],
  ] as const) {
    const answer = await fetch(`${install.runFile().operator}/operator/v1/${path}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${install.operatorToken}`, "content-type": "application/json" },
      body: JSON.stringify({ ...values, reason: "a benchmark is one address" }),
    });
    if (!answer.ok) throw new Error(`${path} could not be changed: ${await answer.text()}`);
  }
}

export const get = (path: string, token = "") =>
  `GET ${path} HTTP/1.1\r\nHost: bench\r\n${token ? `Authorization: Bearer ${token}\r\n` : ""}\r\n`;

export type Driven = { rate: number; latencies: number[] };

/** Every connection busy all the time; a wrong answer ends the run. */
export async function drive(
  connections: Connection[],
  ms: number,
  next: () => string,
  wanted: number,
): Promise<Driven> {
  const latencies: number[] = [];
  const began = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() < began + ms) {
        const sentAt = performance.now();
        const { status, body } = await connection.ask(next());
        if (status !== wanted) throw new Error(`expected ${wanted}, got ${status}: ${body.slice(0, 300)}`);
        latencies.push(performance.now() - sentAt);
      }
    }),
  );
  return { rate: (latencies.length / (performance.now() - began)) * 1_000, latencies };
}
