// What still works while Redis or Postgres is away, in everyday use of a whole install: docs/degradation.md as a test.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { type Everyday, type Kind, kinds, type Seen, startEverydayUse } from "./testing/everyday.ts";
import { familyOf, signalAll } from "./testing/family.ts";
import { freePortBase } from "./testing/harness.ts";
import { startInstallForTest, type TestInstall } from "./testing/install.ts";

let install: TestInstall;
let use: Everyday;
const hours = 3_600_000;
/** Until a silence is noticed: half a second for Redis and two seconds for Postgres, and what a busy machine adds. */
const shortMs = 2_000;
const longMs = 4_000;

before(async () => {
  install = await startInstallForTest({ portBase: await freePortBase() });
  use = await startEverydayUse(install.runFile().api);
  await pause(1_000);
});
after(async () => {
  await use?.stop();
  await install?.stop();
});

async function hang(name: string, ms: number): Promise<{ from: number; to: number }> {
  const pids = familyOf(install.pid(name));
  signalAll(pids, "SIGSTOP");
  const from = performance.now();
  try {
    await pause(ms);
  } finally {
    signalAll(pids, "SIGCONT");
  }
  return { from, to: performance.now() };
}

/** Kills it and all of its own; the supervisor starts it again. */
async function kill(name: string, ms: number): Promise<{ from: number; to: number }> {
  const from = performance.now();
  signalAll(familyOf(install.pid(name)), "SIGKILL");
  await pause(ms);
  return { from, to: performance.now() };
}

const between = (kind: Kind, { from, to }: { from: number; to: number }) =>
  use.seen.filter((each) => each.kind === kind && each.at >= from && each.at < to);
const words = (seen: Seen[]) =>
  Object.entries(Object.groupBy(seen, ({ status, code }) => `${status} ${code ?? ""}`.trim()))
    .map(([word, some]) => `${word} x${some!.length}`)
    .join(", ");
const isDone = (status: number) => status >= 200 && status < 300;
const slowest = (seen: Seen[]) => Math.max(...seen.map(({ ms }) => ms));

/** All is as before: every kind of call succeeds again. */
async function untilWell(withinMs: number): Promise<number> {
  const from = performance.now();
  for (;;) {
    const since = performance.now();
    await pause(500);
    const seen = use.seen.filter(({ at }) => at >= since);
    const isWell = kinds.every((kind) => {
      const some = seen.filter((each) => each.kind === kind);
      return some.length > 0 && some.every(({ status }) => isDone(status));
    });
    if (isWell) return since - from;
    assert.ok(performance.now() - from < withinMs, `not well again within ${withinMs} ms: ${words(seen)}`);
  }
}

async function setTtl(ttl: { l1Ms: number; l2Ms: number }): Promise<void> {
  const answer = await fetch(`${install.runFile().operator}/operator/v1/caches/users`, {
    method: "PUT",
    headers: { authorization: `Bearer ${install.operatorToken}`, "content-type": "application/json" },
    body: JSON.stringify({ ...ttl, reason: "a test of degradation" }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

describe("without Redis", () => {
  for (const [how, away] of [
    ["hangs", () => hang("redis", 4_000)],
    ["is killed", () => kill("redis", 4_000)],
  ] as const)
    test(`that ${how}, everything is answered`, async (t) => {
      await untilWell(20_000);
      const span = await away();
      await pause(500);
      for (const kind of kinds) {
        const seen = between(kind, span);
        t.diagnostic(`${kind}: ${words(seen)}, slowest ${Math.round(slowest(seen))} ms`);
        assert.ok(seen.length > 0, `no ${kind} was made`);
        assert.deepEqual(
          seen.filter(({ status }) => !isDone(status)),
          [],
        );
        assert.ok(slowest(seen) < shortMs, `${kind} took ${slowest(seen)} ms`);
      }
      t.diagnostic(`well again after ${Math.round(await untilWell(15_000))} ms`);
    });
});

describe("without Postgres", () => {
  for (const [how, away] of [
    ["hangs", () => hang("postgres", 6_000)],
    ["is killed", () => kill("postgres", 4_000)],
  ] as const)
    test(`that ${how}, profiles are read, stale and marked; what needs it is refused soon, with the time to come back`, async (t) => {
      await setTtl({ l1Ms: 100, l2Ms: 1_000 });
      await untilWell(20_000);
      const pid = install.pid("api");
      const span = await away();
      await pause(500);
      const reads = between("read", span);
      t.diagnostic(
        `read: ${words(reads)}, ${reads.filter(({ isStale }) => isStale).length} stale, slowest ${Math.round(slowest(reads))} ms`,
      );
      assert.deepEqual(
        reads.filter(({ status }) => status !== 200),
        [],
      );
      if (how === "hangs")
        assert.ok(
          reads.some(({ isStale }) => isStale),
          "no answer says that it is stale",
        );
      for (const kind of ["refresh", "login", "write", "follow"] as const) {
        const seen = between(kind, span);
        t.diagnostic(`${kind}: ${words(seen)}, slowest ${Math.round(slowest(seen))} ms`);
        const failed = seen.filter(({ status }) => !isDone(status));
        if (how === "hangs") assert.ok(failed.length > 0, `${kind} went on without a database`);
        for (const each of failed) {
          // What was sent when it hung may have begun: under its key it counts as running until its lease ends.
          if (kind === "write" && each.code === "conflict") continue;
          assert.deepEqual([each.status, each.code], [503, "unavailable"]);
          assert.ok(Number(each.retryAfter) >= 1);
        }
        assert.ok(slowest(seen) < longMs, `${kind} took ${slowest(seen)} ms`);
      }
      t.diagnostic(`well again after ${Math.round(await untilWell(20_000))} ms`);
      assert.equal(install.pid("api"), pid, "the api is the same process all along");
      await setTtl({ l1Ms: 5_000, l2Ms: 6 * hours });
    });
});

test("nothing that was acknowledged is lost, and nothing was done twice", async () => {
  await use.stop();
  const sql = postgres(install.runFile().postgres, { max: 1 });
  try {
    const rows = await sql<{ text: string; times: number }[]>`
      select text, count(*)::int as times from posts where text like 'everyday %' group by text`;
    const times = new Map(rows.map((row) => [row.text, row.times]));
    assert.ok(use.acknowledged.size > 100, `${use.acknowledged.size} writes`);
    assert.deepEqual(
      [...use.acknowledged.values()].filter((text) => times.get(text) !== 1),
      [],
    );
    assert.deepEqual(
      rows.filter(({ times }) => times !== 1),
      [],
    );
  } finally {
    await sql.end();
  }
});
