// Which pages of other origins may call. Tokens travel in headers and never in cookies, so credentials are never allowed.

import type { Asked, Gate, Reply } from "./exchange.ts";

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

/** One of the first gates: what it says stands on refusals too. */
export function allowOrigins(allow: AllowOrigin): Gate {
  const answer = (request: Asked, reply: Reply, allowed: boolean): undefined => {
    if (allowed) admit(request, reply, allow === "*" ? "*" : request.headers.origin!);
  };
  return (request, reply) => {
    const { origin } = request.headers;
    if (allow !== "*") reply.header("vary", "origin");
    if (origin === undefined) return undefined;
    const allowed = allow === "*" || allow(origin);
    return allowed instanceof Promise
      ? allowed.then((allowed) => answer(request, reply, allowed))
      : answer(request, reply, allowed);
  };
}

function admit({ method, headers }: Asked, reply: Reply, origin: string): void {
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
