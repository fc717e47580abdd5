// What it costs to run modules in processes of their own behind a gateway, against the same calls in one process; and that nobody
// notices when instances are restarted one after the other, or killed.

import { setTimeout as pause } from "node:timers/promises";
import { cpuSeconds, createProcesses, type Started } from "@signalbox/api/testing/processes";
import { createTestDatabase } from "@signalbox/db/testing";
import { startTestEngines } from "../apps/cli/src/engines/for-tests.ts";
import { createPeople } from "../apps/cli/src/testing/people.ts";
import { type Connection, openConnections } from "./harness/connection.ts";
import { openDriver } from "./harness/drive.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const rounds = 9;
const roundMs = 1_000;
const restarts = 10;
const kills = 3;
const readers = 12;
const writers = 8;

progress("starting a Postgres and a Redis, one process that does everything, and the same in parts");
const engines = await startTestEngines();
const database = await createTestDatabase(engines.databaseUrl);
const processes = createProcesses({ databaseUrl: database.url, redisUrl: engines.redisUrl });
const service = (name: string) =>
  processes.start({ SIGNALBOX_ROLE: "service", SIGNALBOX_SERVICES: name, SIGNALBOX_NAME: name });

try {
  const whole = await processes.start({ SIGNALBOX_NAME: "whole" });
  await liftLimits(whole);
  const [auth, users] = [await service("auth"), await service("users")];
  const gateway = await processes.start({ SIGNALBOX_ROLE: "gateway", SIGNALBOX_NAME: "gateway" });
  const people = createPeople(whole.url);
  const persons = [];
  for (let n = 0; n < 20; n += 1) persons.push(await people.register("split"));

  const cost = await measureCost(whole, gateway, users, persons);
  await whole.stop();
  const restarted = await measureRestarts(gateway, users, persons);
  const killed = await measureKills(gateway, persons);
  await auth.stop();
  const none = { unit: "requests", bar: 0, better: "lower" as const };
  report("split", [
    figure("requests a CPU-second, gateway and service / one process", cost, {
      unit: "x",
      bar: 0.4,
      better: "higher",
    }),
    figure(`failed in ${restarts} rolling restarts under load`, restarted.failed, none),
    figure("answered during the restarts", restarted.answered, {
      unit: "requests",
      bar: 1_000,
      better: "higher",
    }),
    figure(`reads failed, ${kills} times kill -9 of one of three`, killed.reads, none),
    figure(`writes failed, ${kills} times kill -9 of one of three, ${writers} at once`, killed.writes, {
      unit: "requests",
      bar: kills * writers,
      better: "lower",
    }),
    figure("writes made meanwhile", killed.made, { unit: "requests", bar: 100, better: "higher" }),
  ]);
} finally {
  await processes.close();
  await database.drop();
  await engines.stop();
}

type Person = { handle: string; token: string };

function ask(method: string, path: string, { token }: Person, body?: object): string {
  const text = body === undefined ? "" : JSON.stringify(body);
  const type =
    body === undefined ? "" : `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\n${type}\r\n${text}`;
}

/** A cached profile: the cheapest call that there is, and so the one on which the way to another process weighs most. */
async function measureCost(whole: Started, gateway: Started, users: Started, persons: Person[]) {
  const requests = persons.map((person, n) =>
    Buffer.from(ask("GET", `/v1/users/${persons[(n + 1) % persons.length]!.handle}`, person)),
  );
  const sides = await Promise.all(
    [[whole], [gateway, users]].map(async (all) => ({
      all,
      driver: await openDriver(all[0]!.port, requests),
    })),
  );
  const perSecond = async ({ all, driver }: (typeof sides)[number], ms: number): Promise<number> => {
    const cpu = () => all.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
    const [before, began] = [cpu(), performance.now()];
    const rate = await driver.run(ms);
    return (rate * (performance.now() - began)) / 1_000 / (cpu() - before);
  };
  for (const side of sides) await perSecond(side, 3_000);
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const one = await perSecond(sides[0]!, roundMs);
    const split = await perSecond(sides[1]!, roundMs);
    progress(`a CPU-second: ${Math.round(one)} in one process, ${Math.round(split)} through the gateway`);
    ratios.push(split / one);
  }
  for (const { driver } of sides) driver.close();
  return median(ratios);
}

/** Reads and writes without a pause, each client one at a time. */
function keepAsking(connections: Connection[], next: (client: number) => string) {
  const counts = { answered: 0, failed: 0 };
  const whys = new Map<string, number>();
  let going = true;
  const all = connections.map(async (connection, client) => {
    while (going) {
      const { status, body } = await connection.ask(next(client));
      if (status < 400) counts.answered += 1;
      else {
        counts.failed += 1;
        whys.set(`${status} ${body.slice(0, 200)}`, (whys.get(`${status} ${body.slice(0, 200)}`) ?? 0) + 1);
      }
      await pause(2);
    }
  });
  return async () => {
    going = false;
    await Promise.all(all);
    for (const connection of connections) connection.close();
    for (const [why, times] of whys) progress(`  ${times} times ${why}`);
    return counts;
  };
}

async function measureRestarts(gateway: Started, first: Started, persons: Person[]) {
  const others = [await service("users"), await service("users")];
  const instances = [first, ...others];
  const reads = keepAsking(await openConnections(gateway.port, readers), (client) =>
    ask("GET", `/v1/users/${persons[client]!.handle}`, persons[client + 1]!),
  );
  // Not idempotent: none of these may be sent twice, and none may fail.
  const writes = keepAsking(await openConnections(gateway.port, writers), (client) =>
    ask("PATCH", "/v1/me", persons[client]!, { bio: "while it restarts" }),
  );
  for (let round = 0; round < restarts; round += 1) {
    const leaving = instances.shift()!;
    await leaving.stop();
    instances.push(await service("users"));
    progress(`restarted ${round + 1} of ${restarts}`);
  }
  const [read, wrote] = [await reads(), await writes()];
  for (const instance of instances) await instance.stop();
  return { failed: read.failed + wrote.failed, answered: read.answered + wrote.answered };
}

async function measureKills(gateway: Started, persons: Person[]) {
  const instances = [await service("feed"), await service("feed"), await service("feed")];
  const post = await createPeople(gateway.url).call("POST", "/v1/posts", persons[0]!.token, {
    text: "to read",
  });
  const reads = keepAsking(await openConnections(gateway.port, readers), (client) =>
    ask("GET", `/v1/posts/${post.body.id}`, persons[client]!),
  );
  const writes = keepAsking(await openConnections(gateway.port, writers), (client) =>
    ask("POST", "/v1/posts", persons[client]!, { text: "while it dies" }),
  );
  for (let round = 0; round < kills; round += 1) {
    await pause(1_000);
    await instances.shift()!.kill();
    await pause(2_000);
    instances.push(await service("feed"));
    progress(`killed ${round + 1} of ${kills}`);
  }
  const [read, wrote] = [await reads(), await writes()];
  return { reads: read.failed, writes: wrote.failed, made: wrote.answered };
}

/** One address sends all of this. */
async function liftLimits(whole: Started): Promise<void> {
  for (const key of ["address", "user", "auth.account.register"]) {
    const answer = await fetch(`${whole.operatorUrl}/operator/v1/limits/${key}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${processes.operatorToken}`, "content-type": "application/json" },
      body: JSON.stringify({ rate: 1_000_000, burst: 10_000_000, reason: "a benchmark is one address" }),
    });
    if (!answer.ok) throw new Error(`the limit ${key} could not be lifted: ${await answer.text()}`);
  }
}
