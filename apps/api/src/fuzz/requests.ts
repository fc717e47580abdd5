// Requests made from a document: whole ones, and ones whose frame is wrong as well: method, address, headers, body.

import type { OpenApi, Operation } from "../adapter/describe.ts";
import type { Pool, Thing } from "./pool.ts";
import type { Random } from "./random.ts";
import type { Frame } from "./send.ts";
import { type Draw, draw, type Manner, object, type Schema } from "./values.ts";

export type FuzzRequest = Frame & {
  /** Absent: the frame is so wrong that it may be none of the document's operations. */
  operation: { path: string; method: string } | undefined;
  /** Who it says that it is from. */
  caller: string | undefined;
};

/** Somebody whom the platform knows, and the headers that say so. */
export type Caller = { name: string; headers: Record<string, string> };

export type Target = { document: OpenApi; prefix: string };

/** It is answered for as long as somebody reads. */
export const isStream = ({ responses }: Operation): boolean =>
  JSON.stringify(responses["200"] ?? {}).includes('"text/event-stream"');

export function createRequests(target: Target, random: Random, pool: Pool, callers: readonly Caller[]) {
  const { document, prefix } = target;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) =>
      isStream(operation) ? [] : [{ path, method, operation }],
    ),
  );
  const resolve = (ref: string): Schema => document.components.schemas[ref.split("/").at(-1)!] as Schema;
  let turn = 0;

  return function next(): FuzzRequest {
    const { path, method, operation } = operations[turn++ % operations.length]!;
    const caller = random.chance(0.85) ? random.pick(callers) : undefined;
    const given: Draw = { random, pool, subject: undefined, resolve };
    const manner = random.pick<Manner>(["valid", "valid", "edge", "hostile"]);
    const headers = { ...headersOf(operation, given, caller), ...caller?.headers };
    const query = new URLSearchParams();
    let isWhole = true;
    const wrong = manner === "valid" ? undefined : random.pick(operation.parameters)?.name;
    let filled = path;
    for (const { name, in: place, required, schema } of operation.parameters) {
      if (place === "path") given.subject = subjectOf(given, kindOf(path.split(`/{${name}}`)[0]!), caller);
      const known = place === "path" && name !== wrong && random.chance(0.75) && nameOf(given.subject, name);
      const value = known || draw(given, name, schema as Schema, name === wrong ? manner : "valid");
      const texts = [value].flat().map(toText);
      if (place === "path") {
        const segment = encode(texts[0] ?? "");
        // An empty part is another address.
        isWhole &&= segment !== "";
        filled = filled.replace(`{${name}}`, segment);
      } else if (place === "query" && (required || name === wrong || random.chance(0.5)))
        for (const text of texts.slice(0, 20)) query.append(name, text.slice(0, 2_000));
    }
    const request: FuzzRequest = {
      method: method.toUpperCase(),
      path: prefix + filled + (query.size > 0 ? `?${encodeQuery(query)}` : ""),
      headers,
      body: bodyOf(given, operation, manner, headers),
      operation: isWhole ? { path, method } : undefined,
      caller: caller?.name,
    };
    if (manner === "hostile" && random.chance(0.35)) spoil(request, random);
    return request;
  };
}

export const somewhere = (random: Random) =>
  `10.${random.int(0, 255)}.${random.int(0, 255)}.${random.int(1, 254)}`;

/** What a path lists or names: `/users/{handle}/posts` and `/posts/{id}` are of posts, as is a feed. */
export function kindOf(path: string): string {
  const last = path.split("/").findLast((part) => !part.startsWith("{"))!;
  return last === "feed" ? "posts" : last;
}

/** As often as not what the caller made: most things are only their maker's to change. */
function subjectOf({ random, pool }: Draw, kind: string, caller: Caller | undefined): Thing | undefined {
  const own = caller && random.chance(0.5) ? pool.thingsOf(kind, caller.name) : [];
  const among = own.length > 0 ? own : pool.things(kind);
  return among.length > 0 ? random.pick(among) : undefined;
}

const nameOf = (thing: Thing | undefined, name: string) =>
  thing && (thing[name] ?? thing.id ?? thing.key ?? thing.handle ?? thing.name);

const toText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
const wellFormed = (text: string) => text.toWellFormed().slice(0, 600);
const encode = (text: string) => encodeURIComponent(wellFormed(text));
const encodeQuery = (query: URLSearchParams) =>
  [...query]
    .map(([name, value]) => `${encode(name)}=${encodeURIComponent(value.toWellFormed()).slice(0, 3_000)}`)
    .join("&");

function headersOf(operation: Operation, { random, pool }: Draw, caller: Caller | undefined) {
  const headers: Record<string, string> = {};
  if (caller === undefined && random.chance(0.5))
    headers.authorization = random.pick([
      "",
      "Bearer",
      "Bearer x",
      "Basic YTpi",
      "Bearer a.b.c",
      "bearer  x y",
      "\u00ff",
    ]);
  const names = new Set(operation.parameters.filter((each) => each.in === "header").map(({ name }) => name));
  if (names.has("Idempotency-Key") && random.chance(0.15))
    headers["idempotency-key"] = random.pick([
      "one",
      "two",
      `k${random.int(0, 1e9)}`,
      "k".repeat(255),
      "k".repeat(256),
      "a b",
      "\u00e9",
    ]);
  if (random.chance(0.15)) headers["if-match"] = random.pick(['"1"', "*", 'W/"1"', "x", '"', '"a", "b"', ""]);
  if (random.chance(0.15)) headers["if-none-match"] = random.pick(["*", '"1"', 'W/"1", "2"', "x", '"']);
  if (random.chance(0.3))
    headers["accept-encoding"] = random.pick(["gzip", "br", "*", "gzip;q=0", "identity;q=0", "x", ",,;q="]);
  if (random.chance(0.1))
    headers.accept = random.pick(["*/*", "text/html", "application/jsonl", "x", "application/xml;q=9"]);
  if (random.chance(0.1))
    headers["x-request-id"] = random.pick([
      "short",
      "a-good-request-id",
      "x".repeat(129),
      "a b c d e f g",
      "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9",
    ]);
  if (random.chance(0.1))
    headers.traceparent = random.pick([
      "00-x",
      "",
      `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
      `ff-${"a".repeat(32)}-${"b".repeat(16)}-01`,
    ]);
  headers["x-forwarded-for"] = random.chance(0.05)
    ? random.pick(["x", ",,,", "::1, unknown"])
    : somewhere(random);
  const takesKey = operation.security.some((way) => "application" in way);
  if (takesKey && random.chance(0.1)) headers["x-api-key"] = String(random.pick(pool.named("application")));
  if (random.chance(0.03)) headers["x-api-key"] = random.pick(["", "x", "sba_x", `sba_${"x".repeat(43)}`]);
  if (random.chance(0.05)) headers.origin = random.pick(["null", "https://evil.example", "x"]);
  if (random.chance(0.05)) headers.range = "bytes=0-1";
  if (random.chance(0.03))
    headers.cookie = random.pick(["sb_session=x", "sb_session=a.b.c; x", ";;;=", "sb_session="]);
  return headers;
}

function bodyOf(given: Draw, { requestBody }: Operation, manner: Manner, headers: Record<string, string>) {
  const { random } = given;
  if (!requestBody) return random.chance(0.03) ? json(headers, '{"unasked":1}') : undefined;
  const schema = requestBody.content["application/json"].schema as Schema;
  if (manner === "hostile" && random.chance(0.3)) return spoiltBody(given, schema, headers);
  return json(headers, JSON.stringify(object(given, schema, manner)));
}

function json(headers: Record<string, string>, text: string): Buffer {
  headers["content-type"] = "application/json";
  return Buffer.from(text);
}

function spoiltBody(given: Draw, schema: Schema, headers: Record<string, string>): Buffer | undefined {
  const { random } = given;
  const whole = JSON.stringify(object(given, schema, "valid"));
  const text = random.pick([
    () => whole.slice(0, -1),
    () => `${whole}${whole}`,
    () => `\ufeff${whole}`,
    () => "",
    () => "null",
    () => "[]",
    () => `[${whole}]`,
    () => '"text"',
    () => "1e999",
    () => "{".repeat(50_000),
    () => `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`,
    () => whole.replace("{", '{"__proto__":{"admin":true},'),
    () => whole.replace("{", '{"constructor":{"prototype":{"admin":true}},'),
    () => whole.replace("{", '{"\\u005f\\u005fproto__":1,'),
    () => whole.replace("{", '{"a":"\\u0000",'),
    () => `${whole.slice(0, -1)}${whole === "{}" ? "" : ","}"x":${"9".repeat(500)}}`,
    () => JSON.stringify({ text: "x".repeat(1_100_000) }),
  ])();
  headers["content-type"] = random.pick([
    "application/json",
    "application/json",
    "application/json",
    "text/plain",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "",
    "x",
  ]);
  if (random.chance(0.1)) headers["content-encoding"] = random.pick(["gzip", "identity", "x"]);
  if (random.chance(0.1)) return Buffer.concat([Buffer.from(text), Buffer.from("c328ff", "hex")]);
  return Buffer.from(text);
}

/** Makes the frame wrong, so that the answer only has to be a good refusal. */
function spoil(request: FuzzRequest, random: Random): void {
  request.operation = undefined;
  const { path } = request;
  random.pick([
    () =>
      (request.method = random.pick([
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "HEAD",
        "POST",
        "GET",
        "PROPFIND",
        "TRACE",
      ])),
    () => (request.path = path.replace(/\/v\d/, "/v99")),
    () => (request.path = `${path}/`),
    () => (request.path = path.toUpperCase()),
    () => (request.path = `${path}%zz`),
    () => (request.path = `${path}%00`),
    () => (request.path = path.replace("/v", "/%2e%2e/v")),
    () => (request.path = path.replace("/v", "//v")),
    () => (request.path = `${path}/%2e%2e%2f%2e%2e`),
    () => (request.path = `${path}/${"x".repeat(3_000)}`),
    () =>
      (request.path = `${path}${path.includes("?") ? "&" : "?"}limit=1&limit=2&limit[]=3&__proto__[a]=1&constructor.prototype.a=1`),
    () => (request.path = `${path}${path.includes("?") ? "&" : "?"}${"a=1&".repeat(2_000)}`),
    () => (request.headers["x-long"] = "x".repeat(20_000)),
    () => (request.headers.expect = "x"),
  ])();
}
