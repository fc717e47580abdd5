// What a switch costs where it is asked, beside other people's; how evenly a share is drawn; and how soon a flip is enforced by fifty
// processes, with the push, without it, and while five hundred listeners come back at once.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { OpenFeature, type Provider } from "@openfeature/server-sdk";
import { createProcesses, type Started } from "@signalbox/api/testing/processes";
import { bucketOf } from "@signalbox/control/bucket";
import { createConfirmations } from "@signalbox/control/confirmations";
import { compile } from "@signalbox/control/evaluate";
import { createLive } from "@signalbox/control/live";
import { createControlLog } from "@signalbox/control/log";
import { settingsSchema } from "@signalbox/control/settings";
import { setSwitch } from "@signalbox/control/switch-acts";
import { createLogger } from "@signalbox/core/log";
import { connectRedis } from "@signalbox/core/redis";
import { startOwnRedis } from "@signalbox/core/testing/own-redis";
import { connectDatabase } from "@signalbox/db";
import { createTestDatabase } from "@signalbox/db/testing";

import { EventSource } from "eventsource";
import { Unleash } from "unleash-client";
import { startTestEngines } from "../apps/cli/src/engines/for-tests.ts";
import { percentile } from "./harness/connection.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const option = (name: string, usual: number) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? usual : Number(process.argv[at + 1]);
};
const flips = option("flips", 1_000);
const wholeProcesses = option("apis", 4);
const liveCopies = option("copies", 46);
const listeners = option("listeners", 500);
const cutRounds = 5;

const lower = (unit: string, bar: number) => ({ unit, bar, better: "lower" as const });
const higher = (unit: string, bar: number) => ({ unit, bar, better: "higher" as const });

const cost = await measureCost();
const draw = measureDraw();
const spread = await measureSpread();
report("switches", [...cost, ...draw, ...spread]);
// Other people's clients hold timers that they do not let go.
process.exit();

// ---- what it costs where it is asked ----

/** The median over batches, in nanoseconds a call. */
function nanoseconds(call: (n: number) => unknown): number {
  const batch = 2_000;
  const took: number[] = [];
  for (let round = 0; round < 300; round++) {
    const began = process.hrtime.bigint();
    for (let n = 0; n < batch; n++) call(n);
    took.push(Number(process.hrtime.bigint() - began) / batch);
  }
  return median(took.slice(50));
}

async function measureCost() {
  progress("what asking costs, beside unleash-client and the OpenFeature server SDK");
  const attributes = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`a${n}`, `value-${n}`]));
  const targets = Object.keys(attributes).map((attribute, n) => ({
    attribute,
    values: ["x", "y", `value-${n}`],
  }));
  const rules = compile(
    settingsSchema.parse({
      switches: {
        "shop.static": { state: "on" },
        "shop.off": { state: "off" },
        "shop.ramp": { state: "off", share: 5, targets },
      },
    }),
  );
  const units = Array.from(
    { length: 2_000 },
    (_, n) => `01900000-0000-7000-8000-${String(n).padStart(12, "0")}`,
  );
  const feature = (name: string, strategies: object[]) => ({
    ...{
      name,
      strategies,
      type: "release",
      enabled: true,
      stale: false,
      impressionData: false,
      variants: [],
    },
  });
  const unleash = new Unleash({
    ...{ appName: "bench", url: "http://127.0.0.1:1/", disableAutoStart: true, disableMetrics: true },
    ...{ skipInstanceCountWarning: true, refreshInterval: 0 },
    bootstrap: {
      data: [
        feature("static", [{ name: "default", parameters: {} }]),
        feature("ramp", [
          {
            name: "flexibleRollout",
            parameters: { rollout: "5", stickiness: "userId", groupId: "ramp" },
            constraints: targets.map(({ attribute, values }) => ({
              ...{ contextName: attribute, operator: "IN", values, inverted: false, caseInsensitive: false },
            })),
          },
        ]),
      ] as never,
    },
  });
  unleash.on("error", () => {});
  const ready = once(unleash, "ready");
  await unleash.start().catch(() => {});
  await Promise.race([ready, pause(3_000)]);
  const contexts = units.map((userId) => ({ userId, properties: attributes }));
  if (!unleash.isEnabled("static", contexts[0])) throw new Error("unleash-client did not take its features");

  const trivial = { metadata: { name: "trivial" }, runsOn: "server" } as Provider;
  const answer = Promise.resolve({ value: true });
  trivial.resolveBooleanEvaluation = () => answer;
  await OpenFeature.setProviderAndWait(trivial);
  const client = OpenFeature.getClient();
  const asked = { targetingKey: "user-1" };
  const sdkTook: number[] = [];
  for (let round = 0; round < 60; round++) {
    const began = process.hrtime.bigint();
    for (let n = 0; n < 200; n++) await client.getBooleanValue("static", false, asked);
    sdkTook.push(Number(process.hrtime.bigint() - began) / 200);
  }

  let met = 0;
  const ours = {
    static: nanoseconds((n) => rules.off("shop.static", units[n]!, 1)),
    off: nanoseconds((n) => rules.off("shop.off", units[n]!, 1)),
    ramp: nanoseconds((n) => {
      if (rules.off("shop.ramp", units[n]!, 1, attributes)) met += 1;
    }),
  };
  if (met === 0) throw new Error("the ramp met nobody");
  const theirs = {
    static: nanoseconds((n) => unleash.isEnabled("static", contexts[n])),
    ramp: nanoseconds((n) => unleash.isEnabled("ramp", contexts[n])),
    sdk: median(sdkTook.slice(10)),
  };
  unleash.destroy();
  await OpenFeature.close();
  return [
    figure("a switch that is on, p50", ours.static, lower("ns", 200)),
    figure("a switch that is off, p50", ours.off, lower("ns", 200)),
    figure("a share of 5 % with 10 clauses, p50", ours.ramp, lower("ns", 2_000)),
    figure("unleash-client / ours, static", theirs.static / ours.static, higher("x", 1)),
    figure("unleash-client / ours, 5 % and 10 clauses", theirs.ramp / ours.ramp, higher("x", 1)),
    figure("OpenFeature server SDK / ours, 5 % and 10 clauses", theirs.sdk / ours.ramp, higher("x", 10)),
  ];
}

// ---- how evenly a share is drawn ----

function measureDraw() {
  progress("a million ids");
  const ids = 1_000_000;
  let worst = 0;
  let fellOut = 0;
  let mixed = 0;
  for (const salt of ["feed.post.create", "shop.checkout", "*"]) {
    let within = 0;
    let beside = 0;
    for (let n = 0; n < ids; n++) {
      const bucket = bucketOf(salt, `user-${n}`);
      if (bucket < 5_000) {
        within += 1;
        // Whoever is below 5 % is below every larger share.
        if (!(bucket < 6_000) || !(bucket < 50_000)) fellOut += 1;
        if (bucketOf("another", `user-${n}`) < 50_000) beside += 1;
      }
    }
    worst = Math.max(worst, Math.abs((within / ids) * 100 - 5));
    mixed = Math.max(mixed, Math.abs((beside / within) * 100 - 50));
  }
  return [
    figure("a share of 5 % over a million ids, off by", worst, lower("points", 0.07)),
    figure("ids that fall out when a share is raised", fellOut, lower("ids", 0)),
    figure("of these, another salt's half is off by", mixed, lower("points", 1)),
  ];
}

// ---- how soon it is enforced everywhere ----

type Copy = { child: ChildProcess; revision: number };

async function measureSpread() {
  progress(`starting ${wholeProcesses} whole processes and ${liveCopies} that hold the live settings`);
  const engines = await startTestEngines();
  const ownRedis = await startOwnRedis();
  const database = await createTestDatabase(engines.databaseUrl);
  const processes = createProcesses({ databaseUrl: database.url, redisUrl: ownRedis.url });
  const dataDir = mkdtempSync(join(tmpdir(), "signalbox-bench-"));
  const redis = connectRedis(ownRedis.url, { onError: () => {} });
  const db = connectDatabase(database.url, { name: "bench", poolSize: 2 });
  const log = createLogger({ name: "bench", level: "silent" });
  const { secret } = processes;
  const live = createLive({ log, sql: db.watch, redis, secret, dataDir, instance: { id: "bench" } });
  await live.start();
  const deps = { controlLog: createControlLog(db.sql), live };
  const actor = { kind: "operator", id: "bench", name: "bench" };
  let round = 0;
  const flip = () => {
    round += 1;
    const state = round % 2 === 0 ? "on" : "off";
    const why = { actor, reason: `round ${round}`, requestId: `round-${round}` };
    return setSwitch(deps, "feed.post.read", { state, message: `round ${round}` }, why);
  };

  const copies: Copy[] = [];
  const apis: Started[] = [];
  try {
    await flip();
    for (let n = 0; n < wholeProcesses; n++) apis.push(await processes.start({ SIGNALBOX_NAME: `api-${n}` }));
    const startCopy = async (n: number) => {
      const given = { databaseUrl: database.url, redisUrl: ownRedis.url, secret, id: `copy-${n}` };
      const child = fork(join(import.meta.dirname, "harness/live-copy.ts"), [JSON.stringify(given)]);
      const copy = { child, revision: -1 };
      child.on("message", (word: { revision: number }) => {
        copy.revision = word.revision;
      });
      copies.push(copy);
      await once(child, "message");
    };
    for (let n = 0; n < liveCopies; n += 4)
      await Promise.all(Array.from({ length: Math.min(4, liveCopies - n) }, (_, at) => startCopy(n + at)));

    const names = new Set(copies.map((_, n) => `copy-${n}`));
    const ledger = (await redis.hkeys("signalbox:{control}:confirmed")).filter((id) => id !== "bench");
    const expected = [...new Set([...names, ...ledger])].map((id) => ({ id }));
    if (expected.length !== wholeProcesses + liveCopies)
      throw new Error(`${expected.length} processes confirm, and not ${wholeProcesses + liveCopies}`);
    const confirmations = createConfirmations({
      redis,
      own: () => ({ id: "bench", revision: live.revision }),
      expected: async () => expected,
    });
    await pause(1_000);

    progress(`${flips} flips, each until all ${expected.length} processes have said that they enforce it`);
    const took: number[] = [];
    let unconfirmed = 0;
    for (let n = 0; n < flips; n++) {
      const { revision, committedAt } = await flip();
      const { slowestMs, missing } = await confirmations.waitFor(revision, committedAt, 5_000);
      took.push(slowestMs ?? Number.POSITIVE_INFINITY);
      unconfirmed += missing.length;
    }
    confirmations.close();

    const slowestFlip = async () => {
      let slowest = 0;
      for (let n = 0; n < cutRounds; n++) {
        const done = await flip();
        await enforced(done.revision, apis, copies, round);
        slowest = Math.max(slowest, performance.now() - done.committedAt);
      }
      return slowest;
    };
    progress("with Redis there and its channels closed to everyone: nothing is pushed");
    await redis.call("ACL", "SETUSER", "default", "resetchannels");
    const heard = await Promise.resolve(redis.publish("signalbox:control:pushes", "")).catch(() => "refused");
    if (heard !== "refused") throw new Error("Redis still takes what is pushed");
    const pushCut = await slowestFlip();
    await redis.call("ACL", "SETUSER", "default", "allchannels");

    progress("without Redis");
    await ownRedis.kill();
    await pause(500);
    const gone = await slowestFlip();
    await ownRedis.start();
    await pause(2_000);

    const storm = await measureStorm(apis, processes, flip, copies, () => round);
    return [
      figure(
        `commit to enforced by ${expected.length} processes, p50`,
        percentile(took, 0.5),
        lower("ms", 50),
      ),
      figure(
        `commit to enforced by ${expected.length} processes, p99`,
        percentile(took, 0.99),
        lower("ms", 500),
      ),
      figure(`not confirmed within 5 s, of ${flips} flips`, unconfirmed, lower("processes", 0)),
      figure(
        `push path cut, Redis there: commit to enforced by all, slowest of ${cutRounds}`,
        pushCut,
        lower("ms", 5_000),
      ),
      figure(`Redis gone: commit to enforced by all, slowest of ${cutRounds}`, gone, lower("ms", 5_000)),
      ...storm,
    ];
  } finally {
    for (const { child } of copies) child.disconnect();
    await processes.close();
    await live.close();
    redis.disconnect();
    await db.close();
    await database.drop();
    await ownRedis.end();
    await engines.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Where the whole processes say what callers read of this round, and the others which revision they hold. */
async function enforced(revision: number, apis: Started[], copies: Copy[], round: number): Promise<void> {
  const end = performance.now() + 20_000;
  const isOff = round % 2 === 1;
  const says = async ({ url }: Started) => {
    const answer = await fetch(`${url}/v1/posts/01900000-0000-7000-8000-000000000001`);
    const { code, detail } = (await answer.json()) as { code: string; detail: string };
    return isOff ? detail === `round ${round}` : code !== "disabled";
  };
  for (;;) {
    const all =
      copies.every((copy) => copy.revision >= revision) && (await Promise.all(apis.map(says))).every(Boolean);
    if (all) return;
    if (performance.now() > end) throw new Error(`act ${revision} was not enforced by all within 20 s`);
    await pause(25);
  }
}

async function measureStorm(
  apis: Started[],
  processes: ReturnType<typeof createProcesses>,
  flip: () => ReturnType<typeof setSwitch>,
  copies: Copy[],
  roundNow: () => number,
) {
  progress(`${listeners} listeners lose their process, and come back to it`);
  const [first] = apis as [Started];
  const operator = await fetch(`${first.operatorUrl}/operator/v1/applications`, {
    method: "POST",
    headers: { authorization: `Bearer ${processes.operatorToken}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "storm", scopes: ["switches", "feed"], reason: "a benchmark" }),
  });
  const { key } = (await operator.json()) as { key: string };
  const all = await fetch(`${first.url}/ofrep/v1/evaluate/flags`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: "{}",
  });
  const { eventStreams } = (await all.json()) as { eventStreams: { endpoint: { requestUri: string } }[] };
  const address = first.url + eventStreams[0]!.endpoint.requestUri;

  let tries = 0;
  const sources = Array.from(
    { length: listeners },
    () =>
      new EventSource(address, {
        fetch: (...args) => {
          tries += 1;
          return fetch(...args);
        },
      }),
  );
  const open = () => sources.filter(({ readyState }) => readyState === EventSource.OPEN).length;
  const wait = async (limitMs: number) => {
    for (const end = performance.now() + limitMs; open() < listeners && performance.now() < end; )
      await pause(50);
  };
  await wait(30_000);
  if (open() < listeners) throw new Error(`only ${open()} of ${listeners} listeners came`);

  tries = 0;
  const others = apis.slice(1);
  const lostAt = performance.now();
  await first.kill();
  const again = processes.start({ SIGNALBOX_NAME: "api-0" }, first.port);
  let slowest = 0;
  let isBack = false;
  const back = (async () => {
    await again;
    await wait(60_000);
    isBack = true;
    return open() === listeners ? performance.now() - lostAt : Number.POSITIVE_INFINITY;
  })();
  do {
    const done = await flip();
    await enforced(done.revision, others, copies, roundNow());
    slowest = Math.max(slowest, performance.now() - done.committedAt);
    await pause(200);
  } while (!isBack);
  const backMs = await back;
  const done = await flip();
  await enforced(done.revision, [await again, ...others], copies, roundNow());
  for (const source of sources) source.close();
  return [
    figure(`${listeners} listeners dropped at once: all back after`, backMs / 1_000, lower("s", 60)),
    figure("tries of one of them a second", tries / listeners / (backMs / 1_000), lower("tries", 2)),
    figure("flips meanwhile, slowest to be enforced", slowest, lower("ms", 5_000)),
  ];
}
