// Writing an answer: headers a refusal owes, 304 for what the caller already has, and compression of what is worth it.

import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { type AppError, toProblem } from "@signalbox/core/errors";
import type { Logger } from "@signalbox/core/log";
import { madeOnce } from "@signalbox/core/made-once";
import { toErrorShape } from "@signalbox/modules/trpc";
import type { Asked, Reply } from "./exchange.ts";

const worthCompressing = 1_024;
const compressors = {
  br: (body: string) =>
    promisify(brotliCompress)(body, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 4,
        [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      },
    }),
  gzip: promisify(gzip) as (body: string) => Promise<Buffer>,
};

/** Sends a text, compressed where it is long and the caller can read it. */
export function sendText(request: Asked, reply: Reply, body: string): void {
  if (body.length <= worthCompressing) {
    sendTogether(reply, body);
    return;
  }
  setHeader(reply, "vary", "accept-encoding");
  const encoding = chooseEncoding(request.headers["accept-encoding"]);
  if (!encoding || reply.hasHeader("content-encoding")) {
    reply.send(body);
    return;
  }
  compressors[encoding](body).then(
    (packed) => reply.header("content-encoding", encoding).send(packed),
    () => reply.send(body),
  );
}

let finished: { reply: Reply; body: string }[] = [];

/**
 * What one turn of the event loop has finished is written at its end, one after the other: each write wakes whoever waits for it,
 * and that is dear, unless it is awake from the one before.
 */
function sendTogether(reply: Reply, body: string): void {
  if (finished.push({ reply, body }) > 1) return;
  setImmediate(() => {
    const all = finished;
    finished = [];
    for (const { reply, body } of all) {
      try {
        reply.send(body);
      } catch (error) {
        reply.send(error as Error);
      }
    }
  });
}

export function chooseEncoding(header: string | string[] | undefined): "br" | "gzip" | undefined {
  if (header === undefined || header === "") return undefined;
  let any = false;
  const refused = new Set<string>();
  const taken = new Map<string, number>();
  for (const part of String(header).toLowerCase().split(",")) {
    const [name = "", ...parameters] = part.split(";").map((word) => word.trim());
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    const q = weight === undefined ? 1 : Number(weight.slice(2));
    if (!(q > 0)) refused.add(name);
    else if (name === "*") any = true;
    else taken.set(name === "x-gzip" ? "gzip" : name, q);
  }
  const rate = (name: "br" | "gzip") => taken.get(name) ?? (any && !refused.has(name) ? 0.001 : 0);
  const [br, gzip] = [rate("br"), rate("gzip")];
  if (br === 0 && gzip === 0) return undefined;
  return br >= gzip ? "br" : "gzip";
}

/** Vary is added to: each who writes it knows of one reason. */
export function setHeader(reply: Reply, name: string, value: string): void {
  const present = name.length === 4 && name.toLowerCase() === "vary" ? reply.getHeader("vary") : undefined;
  reply.header(name, present === undefined ? value : addToList(String(present), value));
}

const addToList = madeOnce((present, word) => {
  const list = present.split(/ *, */);
  return list.some((item) => item === "*" || item.toLowerCase() === word.toLowerCase())
    ? present
    : [...list, word].join(", ");
});

/** Weak comparison, as If-None-Match asks for. */
export function isFresh(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  const bare = (tag: string) => tag.trim().replace(/^W\//, "");
  return ifNoneMatch.split(",").some((tag) => bare(tag) === bare(etag));
}

/**
 * What every refusal carries besides its body. `tried`: the caller did send a token, and it is not good (RFC 6750, 3.1);
 * without one nothing is said about it.
 */
export function refusalHeaders(error: AppError, tried = false): Record<string, string> {
  if (error.status === 401) return { "www-authenticate": tried ? 'Bearer error="invalid_token"' : "Bearer" };
  if (error.status === 429 || error.status === 503)
    return { "retry-after": String(Math.max(1, Math.ceil((error.retryAfterMs ?? 1_000) / 1_000))) };
  return {};
}

/** A token that is good has become a ctx. */
export const triedToken = ({ headers, ctx }: Asked) => headers.authorization !== undefined && !ctx;

export function sendProblem(request: Asked, reply: Reply, error: AppError): void {
  reply
    .code(error.status)
    .headers(refusalHeaders(error, triedToken(request)))
    .type("application/problem+json");
  // A text would be given a charset, which this media type does not have.
  reply.send(Buffer.from(JSON.stringify(toProblem(error, request.id))));
}

export function sendErrorShape(
  request: Asked,
  reply: Reply,
  error: AppError,
  path: string | undefined,
): void {
  reply
    .code(error.status)
    .headers(refusalHeaders(error, triedToken(request)))
    .header("content-type", "application/json");
  reply.send(JSON.stringify({ error: toErrorShape(error, request.id, path) }));
}

/** The full text of anything unexpected, under the request id that the caller was given. */
export function logFault(log: Logger, error: AppError, requestId: string, name: string): void {
  if (error.code === "internal")
    log.error({ err: error.cause ?? error, requestId, call: name }, "a call failed unexpectedly");
}
