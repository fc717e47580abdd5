// Accounts on a whole install: signing in and registering against the bare rate of their hash, refreshing against the bare
// guarded UPDATE that it is made of, each pair taken in turn on the same machine; and whether /livez stays fast meanwhile.

import { freePortBase } from "../apps/cli/src/testing/harness.ts";
import { startInstallForTest } from "../apps/cli/src/testing/install.ts";
import { connectDatabase } from "../packages/db/src/index.ts";
import { bareHash } from "../packages/modules/src/auth/passwords.ts";
import { type Connection, openConnection, openConnections, pace, percentile } from "./harness/connection.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const signers = 8;
const refreshers = 16;
const rounds = 9;
const roundMs = 2_500;
/** Until what runs is compiled, which takes some ten thousand calls: a server meets its load for days, and not in its first seconds. */
const warmUpMs = 12_000;
const livezPerSecond = 50;
const rush = 200;

const post = (path: string, body: object) => {
  const text = JSON.stringify(body);
  return (
    `POST ${path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  );
};
const livez = "GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n";
const password = "a phrase for the bench";

progress("starting an install of its own");
const install = await startInstallForTest({ portBase: await freePortBase() });
const run = install.runFile();
const port = Number(new URL(run.api).port);
const database = connectDatabase(run.postgres, { name: "bench", poolSize: refreshers });
let failures = 0;
let made = 0;
const prefix = `b${Date.now().toString(36)}`;

try {
  await liftLimits();
  const people: Awaited<ReturnType<typeof newPerson>>[] = [];
  while (people.length < refreshers) people.push(await newPerson());
  const asking = await openConnections(port, signers);

  const hashing = async () => void (await bareHash(password));
  const signingIn = async (at: number) =>
    expect(200, await asking[at]!.ask(post("/v1/auth/login", { login: people[at]!.handle, password })));
  const registering = async (at: number) => expect(201, await asking[at]!.ask(registration()));

  await rateOf(signers, 1_000, hashing);
  // Few a second, so it takes longer.
  await rateOf(signers, 2 * warmUpMs, signingIn);
  await rateOf(signers, 3 * warmUpMs, registering);
  // Not before: what idles is closed by the server.
  const watching = await openConnections(port, 4);
  const login = await compare("login", signers, signingIn, hashing, watching);
  const register = await compare("register", signers, registering, hashing, watching);

  const refreshed = await openConnections(port, refreshers);
  const refreshing = async (at: number) => {
    const person = people[at]!;
    const answer = await refreshed[at]!.ask(post("/v1/auth/refresh", { refreshToken: person.refreshToken }));
    expect(200, answer);
    if (answer.status === 200) person.refreshToken = tokenIn(answer.body);
  };
  const sessions = await database.sql<{ user_id: string; id: string; counter: number }[]>`
    select user_id, id, counter from sessions where counter = 0 order by id desc limit ${refreshers}`;
  const updating = async (at: number) => {
    const session = sessions[at]!;
    const [moved] = await database.sql<{ counter: number }[]>`
      update sessions set counter = counter + 1, rotated_at = now(), expires_at = now() + interval '7 days'
      where user_id = ${session.user_id} and id = ${session.id} and counter = ${session.counter}
        and revoked_at is null and expires_at > now()
      returning counter`;
    session.counter = moved!.counter;
  };
  await rateOf(refreshers, warmUpMs, refreshing);
  await rateOf(refreshers, warmUpMs, updating);
  const refresh = await compare("refresh", refreshers, refreshing, updating, []);

  const successors = await rushOne();
  const higher = { unit: "x", better: "higher" as const };
  report("auth", [
    figure("login at concurrency 8, ours / bare hashing", login.ratio, { ...higher, bar: 0.75 }),
    figure("register at concurrency 8, ours / bare hashing", register.ratio, { ...higher, bar: 0.65 }),
    figure("/livez meanwhile, p99", percentile([...login.latencies, ...register.latencies], 0.99), {
      unit: "ms",
      bar: 20,
      better: "lower",
    }),
    figure("refresh at concurrency 16, ours / bare guarded UPDATE", refresh.ratio, { ...higher, bar: 0.5 }),
    figure(`successors of one token refreshed ${rush} times at once`, successors, {
      unit: "tokens",
      bar: 1,
      better: "lower",
    }),
    figure("answers that were not right", failures, { unit: "answers", bar: 0, better: "lower" }),
  ]);
  for (const connection of [...asking, ...refreshed, ...watching]) connection.close();
} finally {
  await database.close();
  await install.stop();
}

/** A B A B, so that whatever else the machine does falls on both. */
async function compare(
  name: string,
  concurrency: number,
  ours: (at: number) => Promise<void>,
  bare: (at: number) => Promise<void>,
  watching: Connection[],
) {
  const pairs: [number, number][] = [];
  const latencies: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const watch = watching.length
      ? pace(watching, { rate: livezPerSecond, ms: roundMs }, () => livez)
      : undefined;
    const mine = await rateOf(concurrency, roundMs, ours);
    const seen = await watch;
    if (seen) {
      latencies.push(...seen.latencies);
      failures += seen.failures;
    }
    pairs.push([mine, await rateOf(concurrency, roundMs, bare)]);
  }
  const [mine, peer] = [0, 1].map((side) => Math.round(median(pairs.map((pair) => pair[side]!))));
  progress(`${name}: ${mine}/s against ${peer}/s`);
  return { ratio: median(pairs.map(([mine, peer]) => mine / peer)), latencies };
}

/** Found and not parsed, to leave the processor to the server. */
function tokenIn(body: string): string {
  const from = body.indexOf('"refreshToken":"') + 16;
  return body.slice(from, body.indexOf('"', from));
}

async function rateOf(concurrency: number, ms: number, work: (at: number) => Promise<void>): Promise<number> {
  const began = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async (_, at) => {
      while (performance.now() - began < ms) {
        await work(at);
        done += 1;
      }
    }),
  );
  return (done / (performance.now() - began)) * 1_000;
}

function expect(status: number, answer: { status: number; body: string }): void {
  if (answer.status === status) return;
  failures += 1;
  if (failures === 1) progress(`not ${status}: ${answer.status} ${answer.body}`);
}

function registration(): string {
  made += 1;
  const handle = `${prefix}${made}`;
  return post("/v1/auth/register", { handle, email: `${handle}@example.test`, password });
}

async function newPerson(): Promise<{ handle: string; refreshToken: string }> {
  const connection = await openConnection(port);
  const { status, body } = await connection.ask(registration());
  connection.close();
  if (status !== 201) throw new Error(`registering: ${status} ${body}`);
  const { user, refreshToken } = JSON.parse(body);
  return { handle: user.handle, refreshToken };
}

/** How many different tokens come of one that is shown many times at once; what is signed out counts as one too many. */
async function rushOne(): Promise<number> {
  const { refreshToken } = await newPerson();
  const connections = await openConnections(port, 50);
  const answers = await Promise.all(
    Array.from({ length: rush }, (_, at) =>
      connections[at % connections.length]!.ask(post("/v1/auth/refresh", { refreshToken })),
    ),
  );
  for (const connection of connections) connection.close();
  const tokens = new Set(
    answers.map(({ status, body }) => (status === 200 ? JSON.parse(body).refreshToken : body)),
  );
  const [successor] = tokens;
  const again = await openConnection(port);
  expect(200, await again.ask(post("/v1/auth/refresh", { refreshToken: successor })));
  again.close();
  return tokens.size;
}

/** The load comes from one address; what is measured is the platform and not its limits. */
async function liftLimits(): Promise<void> {
  for (const key of ["address", "auth.account.register", "auth.session.refresh"]) {
    const answer = await fetch(`${run.operator}/operator/v1/limits/${key}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${install.operatorToken}`, "content-type": "application/json" },
      body: JSON.stringify({ rate: 100_000, burst: 1_000_000, reason: "a benchmark from one address" }),
    });
    if (!answer.ok) throw new Error(`limit ${key}: ${answer.status} ${await answer.text()}`);
  }
}
