import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createHealth } from "@signalbox/core/health";
import { createStreams, liveSources } from "@signalbox/modules/live";
import { testWorld, type World } from "@signalbox/modules/testing";
import Fastify, { type FastifyInstance } from "fastify";
import { prepareServer } from "../adapter/server.ts";
import { createGatewayApp } from "../app.ts";
import { createPublicCtx } from "../context.ts";
import { liveRoutes } from "./live.ts";

let world: World;
let app: FastifyInstance;
let hasty: FastifyInstance;
let streams: ReturnType<typeof createStreams>;
let inFlight = 0;
before(async () => {
  world = await testWorld();
  streams = createStreams({ ...world.deps, sources: liveSources, pace: { toldMs: 50, aloneMs: 50 } });
  const deps: World["deps"] = {
    ...world.deps,
    streams,
    async gateway(_call, next) {
      inFlight += 1;
      try {
        return await next();
      } finally {
        inFlight -= 1;
      }
    },
  };
  app = createGatewayApp(deps, createHealth({ version: "test", serviceId: "test" }));
  await app.listen({ host: "127.0.0.1", port: 0 });
  hasty = Fastify();
  prepareServer(hasty, { log: deps.log, doors: { rest: ["/v1"], trpc: "/trpc" } });
  const createCtx = createPublicCtx(deps, { chargeBadToken() {} });
  liveRoutes(hasty, { prefix: "/v1", shapes: new Map(), createCtx, patienceMs: 300 });
  await hasty.listen({ host: "127.0.0.1", port: 0 });
});
after(async () => {
  await streams.close();
  await Promise.all([app.close(), hasty.close()]);
  await world.close();
});

const portOf = ({ server }: FastifyInstance) => (server.address() as AddressInfo).port;
const urlOf = (of: FastifyInstance, path: string) => `http://127.0.0.1:${portOf(of)}${path}`;

async function register(handle: string): Promise<string> {
  const payload = { handle, email: `${handle}@example.test`, password: "a phrase of my own" };
  return (await app.inject({ method: "POST", url: "/v1/auth/register", payload })).json().accessToken;
}
const post = (token: string, text: string) =>
  app.inject({
    method: "POST",
    url: "/v1/posts",
    payload: { text },
    headers: { authorization: `Bearer ${token}` },
  });

/** The stream's text as it comes. */
async function open(path: string, token: string) {
  const left = new AbortController();
  const response = await fetch(urlOf(app, path), {
    headers: { authorization: `Bearer ${token}` },
    signal: left.signal,
  });
  const stream = { response, text: "", leave: () => left.abort() };
  (async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) stream.text += chunk;
  })().catch(() => {});
  return stream;
}

async function until(holds: () => boolean, what: () => string) {
  for (let left = 400; !holds(); left -= 1) {
    if (left === 0) assert.fail(what());
    await pause(25);
  }
}

test("a stream is no call under way, shows each version's shape, and says how to come back", async () => {
  const token = await register("ann_sse");
  const [one, two] = [await open("/v1/feed/live", token), await open("/v2/feed/live", token)];
  for (const { response } of [one, two]) {
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    assert.ok(response.headers.get("x-request-id"));
  }
  await until(
    () => [one, two].every(({ text }) => /^retry: \d+\n\nid: \S+\nevent: ready\n/.test(text)),
    () => one.text,
  );
  await post(token, "shape");
  await until(
    () => [one, two].every(({ text }) => text.includes("event: post")),
    () => one.text,
  );
  assert.match(one.text, /"author":\{/);
  assert.match(two.text, /"authorHandle":"ann_sse"/);
  await until(
    () => inFlight === 0,
    () => `${inFlight} calls are under way`,
  );
  one.leave();
  two.leave();
  const open_ = () => streams.families()[0]!.samples[0]!.value;
  await until(
    () => open_() === 0,
    () => `${open_()} streams are held for nobody`,
  );
});

test("who is not known, or goes on from a place that we did not hand out, is refused", async () => {
  assert.equal((await fetch(urlOf(app, "/v1/feed/live"))).status, 401);
  const token = await register("bob_sse");
  const headers = { authorization: `Bearer ${token}`, "last-event-id": "nonsense" };
  const refused = await fetch(urlOf(app, "/v1/feed/live"), { headers });
  assert.deepEqual([refused.status, refused.headers.get("content-type")], [422, "application/problem+json"]);
  assert.equal(((await refused.json()) as { errors: { field: string }[] }).errors[0]?.field, "Last-Event-ID");
});

test("a reader who takes nothing is not read for, and is cut with a word", async () => {
  const token = await register("cal_sse");
  const started = await open("/v1/feed/live", token);
  await until(
    () => started.text.includes("event: ready"),
    () => started.text,
  );
  const place = /id: (\S+)/.exec(started.text)![1];
  started.leave();
  // More than the buffers of both sides hold.
  await world.deps.sql`
    insert into posts (user_id, id, text)
    select users.id, uuidv7(), repeat('x', 5000) from users, generate_series(1, 4000) where handle = 'cal_sse'`;
  const socket = connect(portOf(hasty), "127.0.0.1");
  socket.write(
    `GET /v1/feed/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nLast-Event-ID: ${place}\r\n\r\n`,
  );
  socket.pause();
  const cut = () => streams.families()[0]!.samples[0]!.value === 0;
  await pause(300);
  await until(cut, () => "the stream is still held");
  const given = streams.families()[3]!.samples[0]!.value;
  assert.ok(given < 4_000, `${given} events were made for a reader who takes none`);
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  socket.resume();
  await Promise.race([once(socket, "close"), pause(9_000)]);
  socket.destroy();
  assert.match(text.slice(-500), /event: end\ndata: \{"code":"slow"/);
});
