import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { createTestDatabase } from "@signalbox/db/testing";
import { createCallPass, passHeader } from "@signalbox/gateway/upstreams/call-pass";
import { createProcesses, type Processes, type Started } from "./testing/processes.ts";

const run = promisify(execFile);

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let processes: Processes;
let gateway: Started;
let operator: Started;
const services: Record<string, Started> = {};

const service = (names: string, more: Record<string, string> = {}) =>
  processes.start({ SIGNALBOX_ROLE: "service", SIGNALBOX_SERVICES: names, SIGNALBOX_NAME: names, ...more });

before(async () => {
  database = await createTestDatabase();
  processes = createProcesses({ databaseUrl: database.url, redisUrl: process.env.TEST_REDIS_URL! });
  services.auth = await service("auth");
  services.users = await service("users");
  services.feed = await service("feed");
  operator = await processes.start({ SIGNALBOX_ROLE: "operator", SIGNALBOX_NAME: "operator" });
  gateway = await processes.start({ SIGNALBOX_ROLE: "gateway", SIGNALBOX_NAME: "gateway" });
});
after(async () => {
  await processes?.close();
  await database?.drop();
});

type Sent = { status: number; headers: Headers; body: Record<string, never> & { [name: string]: unknown } };
async function call(
  url: string,
  method: string,
  path: string,
  token?: string,
  body?: unknown,
): Promise<Sent> {
  const answer = await fetch(url + path, {
    method,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(body ? { "content-type": "application/json" } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === "" ? undefined : JSON.parse(text) };
}

const unique = () => Math.random().toString(36).slice(2, 10);

/** What a client sees of the whole public path, without what differs from run to run. */
async function walk(url: string) {
  const seen: unknown[] = [];
  const say = ({ status, headers, body }: Sent, pick: (body: Sent["body"]) => unknown = () => undefined) =>
    seen.push([
      status,
      headers.get("content-type"),
      headers.has("ratelimit"),
      headers.has("etag"),
      pick(body),
    ]);
  const [ann, bob] = [`ann_${unique()}`, `bob_${unique()}`];
  const register = async (handle: string) => {
    const email = `${handle}@example.test`;
    const made = await call(url, "POST", "/v1/auth/register", undefined, {
      handle,
      email,
      password: "a long phrase of my own",
    });
    say(made, (body) => Object.keys(body).sort());
    return String(made.body.accessToken);
  };
  const [annToken, bobToken] = [await register(ann), await register(bob)];
  say(await call(url, "POST", "/v1/auth/register", undefined, { handle: "x" }), (body) => body.errors);
  say(await call(url, "PUT", `/v1/users/${bob}/follow`, annToken));
  const post = await call(url, "POST", "/v1/posts", bobToken, { text: "hëllo 🚂" });
  say(post, (body) => [body.text, Object.keys(body).sort()]);
  say(await call(url, "GET", `/v1/posts/${post.body.id}`), (body) => body.text);
  say(await call(url, "GET", `/v2/posts/${post.body.id}`), (body) => Object.keys(body).sort());
  say(await call(url, "GET", "/v1/feed", annToken), (body) =>
    (body.items as unknown as { text: string }[]).map(({ text }) => text),
  );
  say(await call(url, "GET", "/v1/feed"), (body) => [body.code, body.detail]);
  say(await call(url, "GET", "/v1/feed?limit=1000", annToken), (body) => body.errors);
  say(await call(url, "GET", `/v1/users/${bob}`, annToken), (body) => body.handle === bob);
  say(await call(url, "GET", "/v1/users/nobody_at_all"), (body) => [body.code, body.detail]);
  const input = encodeURIComponent(JSON.stringify({ 0: { handle: bob }, 1: { handle: "nobody_at_all" } }));
  const batch = await call(url, "GET", `/trpc/users.profile.read,users.profile.read?batch=1&input=${input}`);
  say(batch, (body) =>
    (body as unknown as Record<string, Record<string, Record<string, unknown>>>[]).map(({ result, error }) =>
      result ? (result.data as { handle: string }).handle === bob : (error!.data as { code: string }).code,
    ),
  );
  return seen;
}

describe("modules in processes of their own", () => {
  test("the public path behaves as it does in one process", async () => {
    const whole = await processes.start({ SIGNALBOX_NAME: "whole" });
    const expected = await walk(whole.url);
    await whole.stop();
    assert.deepEqual(await walk(gateway.url), expected);
  });

  test("a service takes calls of this install alone, and each pass opens one connection", async () => {
    const ask = (header: string | undefined) =>
      new Promise<number | undefined>((resolve, reject) => {
        const asked = request(`${services.users!.url}/calls`, {
          headers: {
            connection: "Upgrade",
            upgrade: "signalbox-calls-1",
            ...(header ? { [passHeader]: header } : {}),
          },
        });
        asked.on("response", (answer) => resolve(answer.statusCode));
        asked.on("upgrade", (answer, socket) => {
          socket.destroy();
          resolve(answer.statusCode);
        });
        asked.on("error", reject).end();
      });
    const made = (secret: string, now = Date.now) => createCallPass(Buffer.from(secret), now).make();
    assert.equal(await ask(undefined), 401);
    assert.equal(await ask("1.2.3"), 401);
    assert.equal(await ask(made("another secret of thirty-two letters")), 401);
    assert.equal(await ask(made(processes.secret, () => Date.now() - 180_000)), 401);
    const right = made(processes.secret);
    assert.equal(await ask(right.replace(/^\d+/, (until) => String(Number(until) + 1))), 401);
    assert.equal(await ask(right), 101);
    assert.equal(await ask(right), 401);
    const plain = await fetch(`${services.users!.url}/call/users.me.read`, { method: "POST", body: "{}" });
    assert.equal(plain.status, 404);
  });

  test("what no process serves is a 503 that names it", async () => {
    const { status, body, headers } = await call(gateway.url, "POST", "/v1/reports", await token(), {
      handle: "nobody_at_all",
      reason: "spam",
      subject: { kind: "user", handle: "nobody_at_all" },
    });
    assert.equal(status, 503);
    assert.match(String(body.detail), /"moderation"/);
    assert.ok(headers.has("retry-after"));
  });

  test("operators see services, their load, tracks and zones", async () => {
    const answer = await fetch(`${operator.url}/operator/v1/services`, {
      headers: { authorization: `Bearer ${processes.operatorToken}` },
    });
    const { items } = (await answer.json()) as {
      items: { name: string; services: string[]; health: string; load: number }[];
    };
    const users = items.find(({ name, services }) => name === "users" && services?.includes("users"));
    assert.ok(users);
    assert.notEqual(users.health, "fail");
    assert.equal(typeof users.load, "number");
  });

  test("a rolling restart under load fails no call", async () => {
    let one = await service("users");
    const load = startLoad(() => ["GET", "/v1/users/nobody_at_all"]);
    for (let round = 0; round < 2; round += 1) {
      const next = await service("users");
      await one.stop();
      one = next;
    }
    const statuses = await load.stop();
    await one.stop();
    assert.deepEqual(Object.keys(statuses), ["404"]);
    assert.ok(statuses["404"]! > 50);
  });

  test("kill -9 of one of three: no read fails, and of the writes at most those that were under way there", async () => {
    const [one, two] = [await service("feed"), await service("feed")];
    const writer = await token();
    const reads = startLoad(() => ["GET", "/v1/posts/0190b0a0-0000-7000-8000-000000000000"]);
    const writes = startLoad(() => ["POST", "/v1/posts", writer, { text: "while it dies" }], 6);
    await pause(700);
    await one.kill();
    await pause(1_500);
    const [read, wrote] = [await reads.stop(), await writes.stop()];
    await two.stop();
    assert.deepEqual(Object.keys(read), ["404"]);
    const { 201: made = 0, ...failed } = wrote;
    assert.ok(made > 10, JSON.stringify(wrote));
    assert.ok(Object.values(failed).reduce((sum, count) => sum + count, 0) <= 6, JSON.stringify(wrote));
  });
});

test("a person is exported and erased by the command, with the workers elsewhere too", async () => {
  await processes.start({ SIGNALBOX_ROLE: "worker", SIGNALBOX_NAME: "workers" });
  const handle = `p_${unique()}`;
  const made = await call(gateway.url, "POST", "/v1/auth/register", undefined, {
    handle,
    email: `${handle}@example.test`,
    password: "a long phrase of my own",
  });
  const mine = String(made.body.accessToken);
  const posted = await call(gateway.url, "POST", "/v1/posts", mine, { text: "to be carried away" });
  const said = [gateway, ...Object.values(services)].map((each) => each.output()).join("");
  assert.equal(posted.status, 201, `${JSON.stringify(posted.body)}\n${said}`);
  const folder = mkdtempSync(join(tmpdir(), "signalbox-split-"));
  const signalbox = (...words: string[]) =>
    run(join(import.meta.dirname, "../../../signalbox"), [...words, "--data-dir", join(folder, "nothing")], {
      env: {
        ...process.env,
        SIGNALBOX_OPERATOR_URL: operator.operatorUrl,
        SIGNALBOX_OPERATOR_TOKEN_FILE: processes.operatorTokenFile,
      },
    });
  try {
    const file = join(folder, "all.tar.gz");
    await signalbox("export", handle, "--out", file);
    const text = gunzipSync(readFileSync(file)).toString();
    for (const part of [handle, "to be carried away", `${handle}@example.test`])
      assert.ok(text.includes(part), part);
    await signalbox("erase", handle, "--yes");
    assert.equal((await call(gateway.url, "GET", `/v1/users/${handle}`)).status, 404);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a gateway streams what is new of services behind it, and is done with it when it goes", async () => {
  const gone = await processes.start({ SIGNALBOX_ROLE: "gateway", SIGNALBOX_NAME: "gateway-to-go" });
  const mine = await token();
  const response = await fetch(`${gone.url}/v1/feed/live`, { headers: { authorization: `Bearer ${mine}` } });
  assert.deepEqual([response.status, response.headers.get("content-type")], [200, "text/event-stream"]);
  let text = "";
  const read = (async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
  })();
  const has = async (what: RegExp) => {
    for (let left = 400; !what.test(text); left -= 1) {
      assert.ok(left > 0, `${what} did not come: ${text}`);
      await pause(100);
    }
  };
  await has(/event: ready/);
  const made = await call(gateway.url, "POST", "/v1/posts", mine, { text: "over the gateway" });
  assert.equal(made.status, 201);
  await has(/event: post\ndata: .*over the gateway/);
  const stopped = gone.stop();
  await has(/retry: \d+\nevent: end\ndata: .*"leaving"/);
  await Promise.all([read, stopped]);
});

async function token(): Promise<string> {
  const handle = `p_${unique()}`;
  const made = await call(gateway.url, "POST", "/v1/auth/register", undefined, {
    handle,
    email: `${handle}@example.test`,
    password: "a long phrase of my own",
  });
  return String(made.body.accessToken);
}

function startLoad(next: () => [method: string, path: string, token?: string, body?: unknown], clients = 8) {
  const statuses: Record<string, number> = {};
  let going = true;
  const all = Array.from({ length: clients }, async () => {
    while (going) {
      const status = await call(gateway.url, ...next()).then(
        ({ status }) => status,
        (error) => String(error.cause ?? error),
      );
      statuses[status] = (statuses[status] ?? 0) + 1;
      await pause(5);
    }
  });
  return {
    async stop() {
      going = false;
      await Promise.all(all);
      return statuses;
    },
  };
}
