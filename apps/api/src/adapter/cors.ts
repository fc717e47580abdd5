// Which pages of other origins may call. Tokens travel in headers and never in cookies, so credentials are never allowed.

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** Whether pages of this origin may read answers. `*`: those of any origin may. */
export type AllowOrigin = "*" | ((origin: string) => boolean | Promise<boolean>);

const sent = [
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "If-Match",
  "If-None-Match",
  "X-Api-Key",
  "X-App-Version",
  "X-Region",
  "X-Request-Id",
  "X-Signalbox-Canary",
  "traceparent",
  "tracestate",
  "trpc-accept",
  "x-trpc-source",
].join(", ");
const read = [
  "Content-Location",
  "Deprecation",
  "ETag",
  "Link",
  "Location",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "Sunset",
  "traceparent",
  "WWW-Authenticate",
  "X-Request-Id",
].join(", ");
const preflightSeconds = 600;

/** A hook of the first hour: what it says stands on refusals too. */
export function allowOrigins(app: FastifyInstance, allow: AllowOrigin): void {
  app.addHook("onRequest", (request, reply, done) => {
    const { origin } = request.headers;
    if (allow !== "*") reply.header("vary", "origin");
    if (origin === undefined) return done();
    const answer = (allowed: boolean) => {
      if (allowed) admit(request, reply, allow === "*" ? "*" : origin);
      done();
    };
    const allowed = allow === "*" || allow(origin);
    if (allowed instanceof Promise) allowed.then(answer, done);
    else answer(allowed);
  });
}

function admit({ method, headers }: FastifyRequest, reply: FastifyReply, origin: string): void {
  reply.header("access-control-allow-origin", origin);
  if (method !== "OPTIONS" || headers["access-control-request-method"] === undefined) {
    reply.header("access-control-expose-headers", read);
    return;
  }
  reply.headers({
    "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "access-control-allow-headers": sent,
    "access-control-max-age": preflightSeconds,
  });
}
