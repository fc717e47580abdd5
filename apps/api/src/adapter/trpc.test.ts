// tRPC's own clients, unchanged, against our doors; and our short way against tRPC's own handler, byte for meaning.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import type { Stage } from "@signalbox/gateway/pipeline";
import {
  createTRPCClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpLink,
  httpSubscriptionLink,
  isTRPCClientError,
  splitLink,
  type TRPCLink,
} from "@trpc/client";
import { type FastifyTRPCPluginOptions, fastifyTRPCPlugin } from "@trpc/server/adapters/fastify";
import fastify, { type FastifyInstance } from "fastify";
import {
  createSampleApp,
  createSampleCtx,
  departures,
  item,
  type SampleRouter,
  sampleRouter,
} from "./testing.ts";

const lines: string[] = [];
const calls: string[] = [];
const recording: Stage = (call, next) => {
  calls.push(call.name);
  return next();
};

let app: FastifyInstance;
let stock: FastifyInstance;
let url: string;
before(async () => {
  app = await createSampleApp({ gateway: recording, lines });
  await app.listen({ port: 0, host: "127.0.0.1" });
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/trpc`;

  const createCtx = createSampleCtx();
  stock = fastify({ genReqId: ({ headers }) => String(headers["x-request-id"]) });
  stock.register(fastifyTRPCPlugin, {
    prefix: "/trpc",
    trpcOptions: {
      router: sampleRouter,
      allowMethodOverride: true,
      createContext: ({ req }) => createCtx(req),
    } satisfies FastifyTRPCPluginOptions<SampleRouter>["trpcOptions"],
  });
  await stock.ready();
});
after(async () => {
  await app.close();
  await stock.close();
});

const headers = () => ({ authorization: "Bearer user" });
const clientOf = (link: TRPCLink<SampleRouter>) => createTRPCClient<SampleRouter>({ links: [link] });
const seen = (id: string, text?: string) => {
  const { author, ...rest } = item(id, text);
  return { ...rest, author: { handle: author.handle, avatar: author.avatar } };
};

const links: Record<string, () => TRPCLink<SampleRouter>> = {
  httpLink: () => httpLink({ url, headers }),
  "httpLink with POST for queries": () => httpLink({ url, headers, methodOverride: "POST" }),
  httpBatchLink: () => httpBatchLink({ url, headers }),
  "httpBatchLink with POST for queries": () => httpBatchLink({ url, headers, methodOverride: "POST" }),
  httpBatchStreamLink: () => httpBatchStreamLink({ url, headers }),
  "splitLink of a batch and single calls": () =>
    splitLink({
      condition: ({ path }) => path.endsWith(".read"),
      true: httpBatchLink({ url, headers }),
      false: httpLink({ url, headers }),
    }),
};

for (const [name, makeLink] of Object.entries(links))
  describe(name, () => {
    test("queries, mutations and answers without data", async () => {
      const client = clientOf(makeLink());
      const [read, created, deleted, nothing] = await Promise.all([
        client.sample.item.read.query({ id: "7" }),
        client.sample.item.create.mutate({ text: "new" }),
        client.sample.item.delete.mutate({ id: "7" }),
        client.sample.nothing.query(),
      ]);
      assert.deepEqual(read, seen("7"));
      assert.deepEqual(created, seen("new", "new"));
      assert.equal(deleted, undefined);
      assert.equal(nothing, undefined);
    });

    test("many calls at once, some of which fail", async () => {
      const client = clientOf(makeLink());
      const results = await Promise.allSettled([
        client.sample.item.read.query({ id: "1" }),
        client.sample.item.read.query({ id: "none" }),
        client.sample.refusal.limited.query(),
        client.sample.item.list.query({ limit: 1_000 }),
        client.sample.refusal.unexpected.query(),
        client.sample.item.read.query({ id: "2" }),
      ]);
      const told = results.map((result) =>
        result.status === "fulfilled"
          ? "ok"
          : isTRPCClientError<SampleRouter>(result.reason) && result.reason.data?.code,
      );
      assert.deepEqual(told, ["ok", "not_found", "rate_limited", "invalid", "internal", "ok"]);
      const limited = (results[2] as PromiseRejectedResult).reason;
      assert.equal(limited.data.retryAfterMs, 2_300);
      assert.equal(limited.data.path, "sample.refusal.limited");
      const invalid = (results[3] as PromiseRejectedResult).reason;
      assert.deepEqual(
        invalid.data.errors.map(({ field }: { field: string }) => field),
        ["limit"],
      );
      const unexpected = (results[4] as PromiseRejectedResult).reason;
      assert.doesNotMatch(JSON.stringify(unexpected.shape), /secret|stack/);
      assert.ok(
        lines.some((line) => line.includes(unexpected.data.requestId) && line.includes("secret detail")),
      );
    });

    test("each call passes the gateway by itself", async () => {
      const client = clientOf(makeLink());
      calls.length = 0;
      await Promise.all([client.sample.item.read.query({ id: "1" }), client.sample.item.list.query({})]);
      assert.deepEqual(calls.sort(), ["sample.item.list", "sample.item.read"]);
    });

    test("without a token", async () => {
      const guest = createTRPCClient<SampleRouter>({ links: [httpBatchLink({ url })] });
      await assert.rejects(
        guest.sample.item.create.mutate({ text: "x" }),
        (error) => isTRPCClientError<SampleRouter>(error) && error.data?.code === "unauthorized",
      );
    });
  });

describe("httpSubscriptionLink", () => {
  const subscribe = (input: { to: number; lastEventId?: string }) =>
    new Promise<{ id: string; n: number }[]>((resolve, reject) => {
      const events: { id: string; n: number }[] = [];
      const client = clientOf(
        splitLink({
          condition: ({ type }) => type === "subscription",
          true: httpSubscriptionLink({ url, EventSource: TextEventSource as never }),
          false: httpLink({ url }),
        }),
      );
      client.sample.ticks.subscribe(input, {
        onData: ({ id, data }) => void events.push({ id, n: data.n }),
        onComplete: () => resolve(events),
        onError: reject,
      });
    });

  test("delivers events with their ids, to the end", async () => {
    assert.deepEqual(await subscribe({ to: 3 }), [
      { id: "1", n: 1 },
      { id: "2", n: 2 },
      { id: "3", n: 3 },
    ]);
  });

  test("goes on after the last event that the caller has", async () => {
    assert.deepEqual(await subscribe({ to: 3, lastEventId: "2" }), [{ id: "3", n: 3 }]);
  });
});

describe("a caller who leaves", () => {
  const nextDeparture = async () => (await once(departures, "left"))[0] as string;

  test("ends a subscription", async () => {
    const leave = new AbortController();
    const { body } = await fetch(`${url}/sample.endless`, { signal: leave.signal });
    const left = nextDeparture();
    await body!.getReader().read();
    leave.abort();
    assert.equal(await left, "sample.endless");
  });

  for (const path of ["/trpc/sample.slow", "/v1/slow"])
    test(`aborts the signal of ${path}`, async () => {
      const leave = new AbortController();
      const begun = nextDeparture();
      const answer = fetch(new URL(path, url), { signal: leave.signal });
      assert.equal(await begun, "nobody yet");
      const left = nextDeparture();
      leave.abort();
      await assert.rejects(answer);
      assert.equal(await left, "sample.slow");
    });
});

test("a long batch is compressed", async () => {
  const input = encodeURIComponent('{"0":{"size":200},"1":{"size":200}}');
  const answer = await fetch(`${url}/sample.item.long,sample.item.long?batch=1&input=${input}`, {
    headers: { "accept-encoding": "br" },
  });
  assert.equal(answer.headers.get("content-encoding"), "br");
  assert.match(answer.headers.get("vary") ?? "", /trpc-accept.*accept-encoding/);
  assert.equal(((await answer.json()) as unknown[]).length, 2);
});

describe("the short way tells what tRPC's own handler tells", () => {
  const user = { authorization: "Bearer user" };
  const json = { "content-type": "application/json" };
  const input = (value: unknown) => `?input=${encodeURIComponent(JSON.stringify(value))}`;
  const cases: Record<string, [string, string, Record<string, string>?, string?]> = {
    "a query": ["GET", `sample.item.read${input({ id: "7" })}`],
    "a query by POST": ["POST", "sample.item.read", json, '{"id":"7"}'],
    "a mutation": ["POST", "sample.item.create", { ...user, ...json }, '{"text":"x"}'],
    "no data": ["GET", "sample.nothing"],
    "no body": ["GET", "sample.foreign"],
    "no output where there could be one": ["POST", "sample.item.delete", { ...user, ...json }, '{"id":"7"}'],
    "a transform": ["GET", `sample.twoInputs${input({ id: "1", word: "abc" })}`],
    "no token": ["POST", "sample.item.create", json, '{"text":"x"}'],
    "a bad token": ["GET", `sample.item.read${input({ id: "7" })}`, { authorization: "Bearer forged" }],
    "invalid input": ["GET", `sample.item.list${input({ limit: 0, hot: "yes" })}`],
    "missing input": ["GET", "sample.item.read"],
    "invalid input that waits": ["GET", `sample.waiting${input({ word: "taken" })}`],
    "not found": ["GET", `sample.item.read${input({ id: "none" })}`],
    forbidden: ["POST", "sample.refusal.forbidden", { ...user, ...json }, '{"id":"1","text":"x"}'],
    "a role too low": ["POST", "sample.role", { authorization: "Bearer viewer", ...json }, '{"reason":"x"}'],
    stale: ["POST", "sample.item.change", { ...user, ...json, "if-match": '"v0"' }, '{"id":"1","text":"x"}'],
    "with a time to wait": ["GET", "sample.refusal.limited"],
    away: ["GET", "sample.refusal.away"],
    unexpected: ["GET", "sample.refusal.unexpected"],
    "our own shape broken": ["GET", "sample.refusal.ownShape"],
    "an unknown procedure": ["GET", "sample.nope"],
    "an unknown procedure by POST": ["POST", "sample.nope", json, "{}"],
    "a mutation by GET": ["GET", "sample.item.create", user],
    "a query by PUT": ["PUT", "sample.item.read", json, "{}"],
    "malformed input": ["GET", "sample.item.read?input=%7B"],
    "a malformed body": ["POST", "sample.item.create", { ...user, ...json }, '{"text":'],
  };

  for (const [name, [method, path, more = {}, payload]] of Object.entries(cases))
    test(name, async () => {
      const request = {
        method: method as "GET",
        url: `/trpc/${path}`,
        headers: { ...more, "x-request-id": "same-for-both" },
        ...(payload === undefined ? {} : { payload }),
      };
      const [ours, theirs] = [await app.inject(request), await stock.inject(request)];
      const expected = theirs.json();
      // tRPC alone has no id where it could not make a ctx.
      if (expected.error?.data.requestId === "unknown") expected.error.data.requestId = "same-for-both";
      assert.deepEqual(ours.json(), expected);
      assert.equal(ours.statusCode, theirs.statusCode);
    });

  test("a batch of failures is a list of the same", async () => {
    const path = "/trpc/sample.item.read,sample.refusal.limited,sample.nope?batch=1";
    const request = {
      method: "GET" as const,
      url: `${path}&input=${encodeURIComponent('{"0":{"id":"none"}}')}`,
      headers: { "x-request-id": "same-for-both" },
    };
    const [ours, theirs] = [await app.inject(request), await stock.inject(request)];
    assert.deepEqual(ours.json(), theirs.json());
    assert.equal(ours.statusCode, 207);
    assert.equal(ours.headers["retry-after"], "3");
    assert.equal(ours.headers["x-request-id"], "same-for-both");
  });
});

describe("refusals", () => {
  const user = { authorization: "Bearer user" };
  const code = (answer: { json: () => { error?: { data: { code: string } } } }) =>
    answer.json().error?.data.code;
  const post = (path: string, headers: Record<string, string>, payload: string | Buffer) =>
    app.inject({ method: "POST", url: `/trpc/${path}`, headers, payload });

  test("in order: 401, 413, 415, 400, 422, 403", async () => {
    const large = Buffer.alloc(1_048_577, " ");
    const text = { "content-type": "text/plain" };
    const json = { "content-type": "application/json" };
    const name = "sample.refusal.forbidden";
    assert.equal(code(await post(name, text, large)), "unauthorized");
    assert.equal(code(await post(name, { ...user, ...text }, large)), "too_large");
    assert.equal(code(await post(name, { ...user, ...text }, "{")), "unsupported_media");
    assert.equal(code(await post(name, { ...user, ...json }, "{")), "malformed");
    assert.equal(code(await post(name, { ...user, ...json }, "{}")), "invalid");
    assert.equal(code(await post(name, { ...user, ...json }, '{"id":"1","text":"x"}')), "forbidden");
  });

  test("the role is asked for behind the input, in single calls and in batches", async () => {
    const viewer = { authorization: "Bearer viewer", "content-type": "application/json" };
    const batch = async (input: string) => {
      const answer = await post("sample.role?batch=1", viewer, `{"0":${input}}`);
      return answer.json()[0].error.data.code;
    };
    for (const [input, expected] of [
      ["{}", "invalid"],
      ['{"reason":"x"}', "forbidden"],
    ] as const) {
      assert.equal(code(await post("sample.role", viewer, input)), expected);
      assert.equal(await batch(input), expected);
    }
  });

  test("a batch says when to come back, as a single call does", async () => {
    for (const path of [
      "sample.refusal.limited",
      "sample.refusal.limited?batch=1",
      "sample.refusal.limited,sample.nothing?batch=1",
    ])
      assert.equal((await app.inject({ url: `/trpc/${path}` })).headers["retry-after"], "3", path);
  });

  test("a batch that nobody may call is refused call by call, its body unread", async () => {
    const strangers: [Record<string, string>, string][] = [
      [{ "content-type": "text/plain" }, "Bearer"],
      [{ authorization: "Bearer forged" }, 'Bearer error="invalid_token"'],
    ];
    for (const [headers, challenge] of strangers) {
      const answer = await post(
        "sample.item.create,sample.item.delete?batch=1",
        headers,
        "{".repeat(2_000_000),
      );
      assert.equal(answer.statusCode, 401);
      assert.equal(answer.headers["www-authenticate"], challenge);
      assert.deepEqual(
        answer.json().map((part: { error: { data: { code: string } } }) => part.error.data.code),
        ["unauthorized", "unauthorized"],
      );
    }
  });

  test("poison is refused in single calls and in batches", async () => {
    const poison = encodeURIComponent('{"0":{"id":"7","__proto__":{}}}');
    for (const path of [`sample.item.read?input=${poison}`, `sample.item.read?batch=1&input=${poison}`])
      assert.equal(code(await app.inject({ url: `/trpc/${path}` })), "malformed");
  });

  test("a batch has at most 100 calls", async () => {
    const path = Array.from({ length: 101 }, () => "sample.nothing").join(",");
    const answer = await app.inject({
      url: `/trpc/${path}?batch=1`,
      headers: { "x-request-id": "known-to-all" },
    });
    assert.equal(answer.statusCode, 400);
    assert.equal(code(answer), "malformed");
    assert.equal(answer.json().error.data.requestId, "known-to-all");
  });

  test("a wrong method is told which there are", async () => {
    const answer = await app.inject({ url: "/trpc/sample.item.create", headers: user });
    assert.equal(answer.statusCode, 405);
    assert.equal(answer.headers.allow, "POST");
  });

  test("a version or a place of one resource is not said of a tRPC answer", async () => {
    const answer = await post(
      "sample.item.create",
      { ...user, "content-type": "application/json" },
      '{"text":"x"}',
    );
    assert.equal(answer.headers.location, undefined);
  });
});

/** As much of EventSource as the subscription link uses; this runtime has none of its own. */
class TextEventSource extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 2;
  readyState = 0;
  readonly #leave = new AbortController();

  constructor(address: string | URL) {
    super();
    void this.#read(String(address)).catch((error) => {
      if (this.readyState !== 2) this.dispatchEvent(Object.assign(new Event("error"), { error }));
    });
  }

  async #read(address: string): Promise<void> {
    const { body } = await fetch(address, { signal: this.#leave.signal });
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
    let text = "";
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      for (let end = text.indexOf("\n\n"); end >= 0 && this.readyState === 1; end = text.indexOf("\n\n")) {
        const fields = new Map(
          text
            .slice(0, end)
            .split("\n")
            .filter(Boolean)
            .map((line): [string, string] => [
              line.slice(0, line.indexOf(":")),
              line.slice(line.indexOf(":") + 2),
            ]),
        );
        text = text.slice(end + 2);
        if (fields.has("data"))
          this.dispatchEvent(
            new MessageEvent(fields.get("event") ?? "message", {
              data: fields.get("data"),
              lastEventId: fields.get("id") ?? "",
            }),
          );
      }
    }
  }

  close(): void {
    this.readyState = 2;
    this.#leave.abort();
  }
}
