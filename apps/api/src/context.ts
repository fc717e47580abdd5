// Who calls, and with what: one ctx a request, for either port. Runs before the body is read.

import { createHash, timingSafeEqual } from "node:crypto";
import { readSessionCookie, verifyOperatorSession } from "@signalbox/control/operator-session";
import { AppError } from "@signalbox/core/errors";
import { readTimeout, timeoutHeader } from "@signalbox/core/resilience/deadline";
import type { Edge } from "@signalbox/gateway/edge";
import { createAccessVerifier, createApplicationReader } from "@signalbox/modules/auth";
import type { Actor, Ctx, Deps } from "@signalbox/modules/ctx";
import type { Asked } from "./adapter/exchange.ts";

const guest: Actor = { kind: "guest" };
const bearerForm = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** For the gateway's port: end users by access token. */
export function createPublicCtx(
  deps: Deps,
  edge: Pick<Edge, "chargeBadToken">,
): (request: Asked) => Promise<Ctx> | Ctx {
  const verifyAccess = createAccessVerifier(deps);
  const readApplication = createApplicationReader(deps);
  const slowly = async (request: Asked): Promise<Ctx> => {
    try {
      const token = bearer(request);
      const ctx = toCtx(deps, request, token === undefined ? guest : await verifyAccess(token));
      const key = request.headers["x-api-key"];
      if (key === undefined) return ctx;
      return { ...ctx, application: await readApplication(String(key), request.headers.origin) };
    } catch (error) {
      const isBad = error instanceof AppError && error.code === "unauthorized";
      if (isBad && request.toll) edge.chargeBadToken(request.toll);
      throw error;
    }
  };
  return (request) => {
    const { authorization, "x-api-key": key } = request.headers;
    if (key !== undefined) return slowly(request);
    if (authorization === undefined) return toCtx(deps, request, guest);
    // A token that was verified before needs no look at its form.
    const known = verifyAccess.peek(authorization);
    return known === undefined ? slowly(request) : toCtx(deps, request, known);
  };
}

/** For the operators' port: a script's token, or the console's session cookie. */
export function createOperatorCtx(
  deps: Deps,
  operatorToken: string | undefined,
): (request: Asked) => Promise<Ctx> {
  const expected = operatorToken === undefined ? undefined : digest(operatorToken);
  const isSecure = deps.publicUrl.startsWith("https:");
  const script: Actor = { kind: "operator", id: "script", name: "operator token", role: "admin" };

  return async (request) => {
    const token = bearer(request);
    if (token !== undefined) {
      if (!expected || !timingSafeEqual(digest(token), expected))
        throw new AppError("unauthorized", "this is not this install's operator token");
      return toCtx(deps, request, script);
    }
    const cookie = readSessionCookie(request.headers.cookie, isSecure);
    const session = cookie === undefined ? undefined : verifyOperatorSession(deps.secret, cookie, deps.now());
    return toCtx(
      deps,
      request,
      session ? { kind: "operator", id: session.id, name: session.name, role: session.role } : guest,
    );
  };
}

function bearer(request: Asked): string | undefined {
  const { authorization } = request.headers;
  if (authorization === undefined) return undefined;
  const token = bearerForm.exec(authorization)?.[1];
  if (token === undefined)
    throw new AppError("unauthorized", "the Authorization header must be: Bearer <token>");
  return token;
}

function toCtx(deps: Deps, request: Asked, actor: Actor): Ctx {
  const { headers } = request;
  const ifMatch = headers["if-match"];
  const idempotencyKey = headers["idempotency-key"];
  const timeoutMs = readTimeout(headers[timeoutHeader]);
  const override = readOverride(headers[overrideHeader], headers.cookie);
  const appVersion = headers["x-app-version"];
  const region = headers["x-region"];
  const { traceparent, parentSpanId } = request.trace;
  const ctx: Ctx = {
    ...deps,
    actor,
    requestId: request.id,
    traceparent,
    variant: "stable",
    address: request.address,
    userAgent: headers["user-agent"] ?? "",
    peer: request.raw.socket,
    answer: { headers: {} },
  };
  // One by one: laid into the literal, each would cost an object of its own.
  if (parentSpanId !== undefined) ctx.parentSpanId = parentSpanId;
  if (request.toll) ctx.toll = request.toll;
  if (timeoutMs !== undefined) ctx.timeoutMs = timeoutMs;
  if (override !== undefined) ctx.override = override;
  if (ifMatch !== undefined) ctx.ifMatch = ifMatch;
  if (appVersion !== undefined) ctx.appVersion = String(appVersion).slice(0, 64);
  if (region !== undefined) ctx.region = String(region).slice(0, 64);
  if (idempotencyKey !== undefined) ctx.idempotencyKey = String(idempotencyKey);
  return ctx;
}

/** By which a tester meets one side of a canary, whatever its weight. The id is known to operators and whom they tell it. */
const overrideHeader = "x-signalbox-canary";
const overrideCookie = /(?:^|; *)signalbox_canary=([^;]+)/;

function readOverride(header: string | string[] | undefined, cookie: string | undefined): string | undefined {
  if (header !== undefined) return String(header);
  return cookie === undefined ? undefined : overrideCookie.exec(cookie)?.[1];
}

const digest = (text: string) => createHash("sha256").update(text).digest();
