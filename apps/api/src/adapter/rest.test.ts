import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import type { FastifyInstance, InjectOptions } from "fastify";
import { createSampleApp } from "./testing.ts";

const user = { authorization: "Bearer user" };
const lines: string[] = [];
let app: FastifyInstance;
before(async () => {
  app = await createSampleApp({ lines });
});
after(() => app.close());

const call = (method: string, url: string, more: InjectOptions = {}) =>
  app.inject({ method: method as "GET", url, ...more });

type Refused = { code: string; errors?: { field: string }[]; detail: string; requestId: string };
async function refused(answer: Awaited<ReturnType<typeof call>>, status: number, code: string) {
  assert.equal(answer.statusCode, status, answer.body);
  assert.equal(answer.headers["content-type"], "application/problem+json");
  const problem = answer.json() as Refused & { status: number; type: string; title: string };
  assert.equal(problem.code, code);
  assert.equal(problem.status, status);
  assert.equal(problem.type, `https://signalbox.dev/errors#${code}`);
  assert.ok(problem.title && problem.detail);
  assert.equal(problem.requestId, answer.headers["x-request-id"]);
  return problem as Refused;
}

describe("answers", () => {
  test("only what the output schema names goes out", async () => {
    const answer = await call("GET", "/v1/items/7");
    assert.equal(answer.statusCode, 200);
    assert.deepEqual(answer.json(), {
      id: "7",
      text: "hello",
      author: { handle: "ann", avatar: null },
      replyTo: null,
      counts: { likes: 3 },
    });
  });

  test("status and headers are those of the procedure", async () => {
    const answer = await call("POST", "/v1/items", { headers: user, payload: { text: "new" } });
    assert.equal(answer.statusCode, 201);
    assert.equal(answer.headers.location, "/v1/items/new");
    assert.equal(answer.json().text, "new");
  });

  test("204 has no body and no content type", async () => {
    const answer = await call("DELETE", "/v1/items/7", { headers: user });
    assert.equal(answer.statusCode, 204);
    assert.equal(answer.body, "");
    assert.equal(answer.headers["content-type"], undefined);
  });

  test("HEAD answers as GET does, without the body", async () => {
    const [get, head] = [await call("GET", "/v1/items/7"), await call("HEAD", "/v1/items/7")];
    assert.equal(head.statusCode, 200);
    assert.equal(head.body, "");
    for (const name of ["content-length", "content-type", "etag"])
      assert.equal(head.headers[name], get.headers[name]);
  });

  test("304 where the caller has this version, in any form of If-None-Match", async () => {
    for (const have of ['"v1"', 'W/"v1"', '"v0", "v1"', "*"]) {
      const answer = await call("GET", "/v1/items/7", { headers: { "if-none-match": have } });
      assert.equal(answer.statusCode, 304, have);
      assert.equal(answer.body, "");
      assert.equal(answer.headers.etag, '"v1"');
    }
    const other = await call("GET", "/v1/items/7", { headers: { "if-none-match": '"v0"' } });
    assert.equal(other.statusCode, 200);
  });

  test("long answers are compressed as the caller likes, under the same strong ETag", async () => {
    const plain = await call("GET", "/v1/long?size=200");
    const expected = plain.body;
    assert.equal(plain.headers["content-encoding"], undefined);
    for (const [accept, encoding, unpack] of [
      ["gzip", "gzip", gunzipSync],
      ["gzip, deflate, br", "br", brotliDecompressSync],
      ["br;q=0, *", "gzip", gunzipSync],
      ["gzip;q=1, br;q=0.5", "gzip", gunzipSync],
    ] as const) {
      const answer = await call("GET", "/v1/long?size=200", { headers: { "accept-encoding": accept } });
      assert.equal(answer.headers["content-encoding"], encoding, accept);
      assert.equal(answer.headers.etag, plain.headers.etag);
      assert.match(String(answer.headers.vary), /accept-encoding/i);
      assert.equal(unpack(answer.rawPayload).toString(), expected);
      assert.equal(Number(answer.headers["content-length"]), answer.rawPayload.length);
    }
    for (const accept of ["identity", "gzip;q=0", ""]) {
      const answer = await call("GET", "/v1/long?size=200", { headers: { "accept-encoding": accept } });
      assert.equal(answer.headers["content-encoding"], undefined, accept);
    }
  });

  test("short answers are not compressed", async () => {
    const answer = await call("GET", "/v1/items/7", { headers: { "accept-encoding": "br, gzip" } });
    assert.equal(answer.headers["content-encoding"], undefined);
    assert.equal(answer.headers.vary, undefined);
  });
});

describe("input", () => {
  test("the address is read as the schema's types", async () => {
    const answer = await call("GET", "/v1/items?limit=5&hot=true&tags=a&tags=b&sizes=1&name=7&unknown=1");
    assert.deepEqual(answer.json(), { limit: 5, hot: true, tags: ["a", "b"], sizes: [1], name: "7" });
  });

  test("defaults stand where the address says nothing", async () => {
    assert.deepEqual((await call("GET", "/v1/items")).json(), { limit: 20 });
  });

  test("path, query and body are one input, and the path has the last word", async () => {
    const answer = await call("PATCH", "/v1/items/7?text=from-query", {
      headers: user,
      payload: { id: "8", text: "from body" },
    });
    assert.deepEqual(answer.json(), { id: "7", text: "from-query" });
  });

  test("unknown fields are dropped", async () => {
    const answer = await call("POST", "/v1/items", { headers: user, payload: { text: "x", admin: true } });
    assert.equal(answer.statusCode, 201);
  });

  test("several inputs are laid over each other, and transforms run", async () => {
    assert.deepEqual((await call("GET", "/v1/two/1?word=abc")).json(), { id: "1", word: "ABC" });
  });

  test("a schema that waits is waited for", async () => {
    assert.equal((await call("GET", "/v1/waiting?word=free")).json(), "free");
    const problem = await refused(await call("GET", "/v1/waiting?word=taken"), 422, "invalid");
    assert.deepEqual(problem.errors, [{ field: "word", message: "is taken" }]);
  });

  test("a middleware that the compiler does not know is walked, not skipped", async () => {
    const answer = await call("GET", "/v1/foreign");
    assert.equal(answer.headers["x-foreign"], "walked");
    assert.equal(answer.json(), "through the foreign middleware");
  });

  for (const query of [
    "limit=0",
    "limit=101",
    "limit=abc",
    "limit=1&limit=2",
    "limit=",
    "hot=maybe",
    "sizes=x",
  ])
    test(`?${query} is invalid`, async () => {
      const problem = await refused(await call("GET", `/v1/items?${query}`), 422, "invalid");
      assert.ok(problem.errors?.[0]?.field.startsWith(query.split("=")[0]!));
    });

  test("a missing body is an empty one", async () => {
    const problem = await refused(await call("POST", "/v1/items", { headers: user }), 422, "invalid");
    assert.deepEqual(
      problem.errors?.map(({ field }) => field),
      ["text"],
    );
  });

  test("what is wrong is said in words that tell what to do", async () => {
    const said = async (query: string) => (await call("GET", `/v1/items?${query}`)).json().errors;
    assert.deepEqual(await said("limit=0"), [{ field: "limit", message: "must be at least 1" }]);
    assert.deepEqual(await said("limit=101"), [{ field: "limit", message: "must be at most 100" }]);
    assert.deepEqual(await said("limit=x"), [{ field: "limit", message: "must be a number" }]);
    assert.deepEqual(await said("hot=x"), [{ field: "hot", message: "must be true or false" }]);
    const sent = async (payload: object) =>
      (await call("POST", "/v1/items", { headers: user, payload })).json();
    assert.equal((await sent({})).detail, "text: is required");
    assert.equal((await sent({ text: "" })).detail, "text: must not be empty");
    assert.equal((await sent({ text: 7 })).detail, "text: must be text");
  });

  test("the trace of the caller goes on in the answer, and one begins where it sent none", async () => {
    const trace = "0af7651916cd43dd8448eb211c80319c";
    const traceparent = `00-${trace}-b7ad6b7169203331-01`;
    for (const url of ["/v1/items/7", "/v1/nothing", "/v1/items/%zz"]) {
      const told = String((await call("GET", url, { headers: { traceparent } })).headers.traceparent);
      assert.match(told, new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
      assert.notEqual(told, traceparent);
      const begun = String(
        (await call("GET", url, { headers: { traceparent: "nonsense" } })).headers.traceparent,
      );
      assert.match(begun, /^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    }
  });

  test("If-Match reaches the procedure", async () => {
    const change = (tag: string) =>
      call("PATCH", "/v1/items/7", { headers: { ...user, "if-match": tag }, payload: { text: "x" } });
    assert.equal((await change('"v1"')).statusCode, 200);
    await refused(await change('"v0"'), 412, "stale");
  });
});

describe("refusals", () => {
  test("401 names the scheme", async () => {
    const none = await call("POST", "/v1/items", { payload: { text: "x" } });
    await refused(none, 401, "unauthorized");
    assert.equal(none.headers["www-authenticate"], "Bearer");
    const forged = await call("GET", "/v1/items/7", { headers: { authorization: "Bearer forged" } });
    await refused(forged, 401, "unauthorized");
    assert.equal(forged.headers["www-authenticate"], 'Bearer error="invalid_token"');
  });

  test("429 and 503 say when to come back, in whole seconds", async () => {
    const limited = await call("GET", "/v1/limited");
    await refused(limited, 429, "rate_limited");
    assert.equal(limited.headers["retry-after"], "3");
    assert.equal(limited.json().retryAfterMs, 2_300);
    const away = await call("GET", "/v1/away");
    await refused(away, 503, "unavailable");
    assert.equal(away.headers["retry-after"], "1");
  });

  test("in order: 401, 413, 415, 400, 422, 403", async () => {
    const large = Buffer.alloc(1_048_577, " ");
    const text = { "content-type": "text/plain" };
    const json = { "content-type": "application/json" };
    const send = (headers: Record<string, string>, payload: string | Buffer) =>
      call("POST", "/v1/forbidden/7", { headers, payload });
    await refused(await send(text, large), 401, "unauthorized");
    await refused(await send({ ...user, ...text }, large), 413, "too_large");
    await refused(await send({ ...user, ...text }, "{"), 415, "unsupported_media");
    await refused(await send({ ...user, ...json }, "{"), 400, "malformed");
    await refused(await send({ ...user, ...json }, "{}"), 422, "invalid");
    await refused(await send({ ...user, ...json }, '{"text":"x"}'), 403, "forbidden");
    const asViewer = (payload: string) =>
      call("POST", "/v1/role", { headers: { authorization: "Bearer viewer", ...json }, payload });
    await refused(await asViewer("{"), 400, "malformed");
    await refused(await asViewer("{}"), 422, "invalid");
    await refused(await asViewer('{"reason":"x"}'), 403, "forbidden");
  });

  test("a body of exactly 1 MiB is taken", async () => {
    const empty = '{"text":""}';
    const payload = `{"text":"${"x".repeat(1_048_576 - empty.length)}"}`;
    const headers = { ...user, "content-type": "application/json" };
    assert.equal((await call("POST", "/v1/items", { headers, payload })).statusCode, 201);
    await refused(await call("POST", "/v1/items", { headers, payload: `${payload} ` }), 413, "too_large");
  });

  for (const payload of [
    "{",
    "nonsense",
    '{"text":"x","__proto__":{"admin":true}}',
    '{"text":"x","\\u005f_proto__":{"admin":true}}',
    '{"text":"x","nested":[{"constructor":{"prototype":{"admin":true}}}]}',
  ])
    test(`malformed: ${payload}`, async () => {
      const headers = { ...user, "content-type": "application/json; charset=utf-8" };
      await refused(await call("POST", "/v1/items", { headers, payload }), 400, "malformed");
    });

  test("a body that nests deeper than anything of ours is refused before it is read", async () => {
    const headers = { ...user, "content-type": "application/json" };
    const deep = (levels: number) =>
      `{"text":"x[[{{","more":${"[".repeat(levels)}${" ".repeat(5_000)}${"]".repeat(levels)}}`;
    assert.equal((await call("POST", "/v1/items", { headers, payload: deep(99) })).statusCode, 201);
    for (const payload of [deep(100), `{"text":${"[".repeat(1_000_000)}`])
      await refused(await call("POST", "/v1/items", { headers, payload }), 400, "malformed");
  });

  test("a NUL character is named with its field, in a body and in the address", async () => {
    const headers = { ...user, "content-type": "application/json" };
    for (const [answer, field] of [
      [await call("POST", "/v1/items", { headers, payload: '{"text":"x\\u0000"}' }), "text"],
      [await call("POST", "/v1/items", { headers, payload: '{"text":"x","a":{"b":["\\u0000"]}}' }), "a.b.0"],
      [await call("GET", "/v1/items?name=%00"), "name"],
      [await call("GET", "/v1/items/a%00b"), "id"],
      [await call("GET", `/trpc/sample.item.read?input=${encodeURIComponent('{"id":"\\u0000"}')}`), "id"],
    ] as const) {
      assert.equal(answer.statusCode, 422, answer.body);
      const { errors, error } = answer.json();
      assert.deepEqual(errors ?? error.data.errors, [{ field, message: "must not hold a NUL character" }]);
    }
  });

  test("half of a character is named with its field", async () => {
    const headers = { ...user, "content-type": "application/json" };
    for (const [payload, field] of [
      ['{"text":"a \\ud83d"}', "text"],
      ['{"text":"x","tags":["\\udE42 \\ud83d"]}', "tags.0"],
    ] as const) {
      const problem = await refused(await call("POST", "/v1/items", { headers, payload }), 422, "invalid");
      assert.deepEqual(problem.errors, [{ field, message: "must be whole Unicode characters" }]);
    }
    const whole = await call("POST", "/v1/items", { headers, payload: '{"text":"\\ud83d\\ude42"}' });
    assert.equal(whole.json().text, "🙂");
  });

  test("JSON is UTF-8", async () => {
    const send = (type: string, payload: Buffer | string) =>
      call("POST", "/v1/items", { headers: { ...user, "content-type": type }, payload });
    for (const type of [
      "application/json;charset=UTF-8",
      'application/json; charset="utf-8"',
      "APPLICATION/JSON",
    ])
      assert.equal((await send(type, '{"text":"é"}')).json().text, "é", type);
    for (const type of [
      "application/json; charset=utf-16",
      "application/json;charset=latin1",
      "application/jsonx",
    ])
      await refused(await send(type, '{"text":"x"}'), 415, "unsupported_media");
    for (const bytes of ["c328", "eda080", "fffe7b00"]) {
      const payload = Buffer.concat([Buffer.from('{"text":"'), Buffer.from(bytes, "hex"), Buffer.from('"}')]);
      await refused(await send("application/json", payload), 400, "malformed");
    }
  });

  test("words that only look like poison are taken", async () => {
    for (const text of ["__proto__", "constructor", "\\u0000", "a \\\\u0000 b"]) {
      const answer = await call("POST", "/v1/items", { headers: user, payload: { text, constructor: "x" } });
      assert.equal(answer.statusCode, 201, answer.body);
      assert.equal(answer.json().text, text);
    }
  });

  test("a body that is JSON but no object is invalid", async () => {
    for (const payload of ["[]", '"x"', "7", "null"])
      await refused(
        await call("POST", "/v1/items", {
          headers: { ...user, "content-type": "application/json" },
          payload,
        }),
        422,
        "invalid",
      );
  });

  test("an encoded body is not understood", async () => {
    const headers = { ...user, "content-type": "application/json", "content-encoding": "gzip" };
    await refused(await call("POST", "/v1/items", { headers, payload: "x" }), 415, "unsupported_media");
  });

  test("a wrong method is told which there are", async () => {
    const answer = await call("PUT", "/v1/items");
    await refused(answer, 405, "method_not_allowed");
    assert.equal(answer.headers.allow, "GET, HEAD, POST");
    const options = await call("OPTIONS", "/v1/items/7");
    assert.equal(options.statusCode, 204);
    assert.equal(options.headers.allow, "GET, HEAD, PATCH, DELETE");
  });

  test("an unknown path or version names what exists, whatever the body", async () => {
    for (const url of ["/v1/nothing", "/v2/items", "/", "/items"]) {
      const problem = await refused(
        await call("POST", url, { headers: { "content-type": "text/plain" }, payload: "x" }),
        404,
        "not_found",
      );
      assert.match(problem.detail, /\/v1\/docs/);
    }
  });

  test("an address that cannot be decoded is malformed; one too long names nothing", async () => {
    await refused(await call("GET", "/v1/items/%zz"), 400, "malformed");
    await refused(await call("GET", `/v1/items/${"x".repeat(600)}`), 404, "not_found");
  });

  test("what nobody expected is told as internal, and logged in full under the same id", async () => {
    const answer = await call("GET", "/v1/unexpected");
    const { requestId } = await refused(answer, 500, "internal");
    assert.doesNotMatch(answer.body, /secret|select/);
    const line = lines.find((line) => line.includes(requestId));
    assert.match(line ?? "", /secret detail .* of select \* from users/);
  });

  test("a shape of our own that does not hold is our fault, not the caller's", async () => {
    await refused(await call("GET", "/v1/own-shape"), 500, "internal");
  });

  test("an operator whose role is too low is refused behind the door", async () => {
    const headers = { authorization: "Bearer viewer" };
    await refused(await call("POST", "/v1/role", { headers, payload: { reason: "x" } }), 403, "forbidden");
    await refused(
      await call("POST", "/v1/role", { headers: user, payload: { reason: "x" } }),
      401,
      "unauthorized",
    );
  });
});

describe("request ids", () => {
  test("a sane one is kept, any other replaced, on every answer", async () => {
    for (const url of [
      "/v1/items/7",
      "/v1/nothing",
      "/v1/items/%zz",
      "/trpc/sample.nothing",
      "/v1/limited",
    ]) {
      const kept = await call("GET", url, { headers: { "x-request-id": "abcdefgh-1" } });
      assert.equal(kept.headers["x-request-id"], "abcdefgh-1", url);
      for (const odd of ["short", "x".repeat(200), "with spaces in it", "<script>alert</script>"]) {
        const made = await call("GET", url, { headers: { "x-request-id": odd } });
        assert.match(String(made.headers["x-request-id"]), /^[0-9a-f-]{36}$/, url);
      }
    }
  });
});
