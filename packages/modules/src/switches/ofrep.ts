// OpenFeature's remote evaluation protocol over our switches: what each answer says.

import { createHash } from "node:crypto";
import type { Decision, Rules } from "@signalbox/control/evaluate";
import type { Attributes } from "@signalbox/control/targets";
import { z } from "zod";
import type { Catalogue } from "../catalogue.ts";
import type { Ctx } from "../ctx.ts";
import { keysFor, requireApplication } from "./flags.ts";

const Context = z.record(z.string(), z.unknown());
const Body = z.object({ context: Context.default({}) }).loose();

type Evaluation =
  | {
      key: string;
      value: boolean;
      variant: "on" | "off";
      reason: string;
      metadata: Record<string, string | number>;
    }
  | { key?: string; errorCode: string; errorDetails: string };
export type OfrepAnswer = { status: 200 | 304 | 400 | 404; body?: object; headers?: Record<string, string> };

const failure = (
  status: 400 | 404,
  key: string | undefined,
  errorCode: string,
  errorDetails: string,
): OfrepAnswer => ({
  status,
  body: { ...(key === undefined ? {} : { key }), errorCode, errorDetails },
});

type Asked = { unit: string | undefined; attributes: Attributes };

/** An application speaks for its users: the context is its word. */
function readContext(ctx: Ctx, raw: unknown): Asked | undefined {
  const parsed = Body.safeParse(raw ?? {});
  if (!parsed.success) return undefined;
  const { targetingKey, ...context } = parsed.data.context;
  if (targetingKey !== undefined && typeof targetingKey !== "string") return undefined;
  const unit = targetingKey === "" ? undefined : targetingKey;
  return {
    unit,
    attributes: {
      application: ctx.application?.id,
      ...(unit === undefined ? {} : { user: unit }),
      ...context,
    },
  };
}

function evaluate(rules: Rules, key: string, { unit, attributes }: Asked, nowMs: number): Evaluation {
  const decision: Decision = rules.decide(key, unit ?? "", nowMs, attributes);
  if (decision.reason === "SPLIT" && unit === undefined)
    return { key, errorCode: "TARGETING_KEY_MISSING", errorDetails: "a share goes by context.targetingKey" };
  return {
    key,
    value: decision.on,
    variant: decision.on ? "on" : "off",
    reason: decision.reason,
    metadata: decision.on || decision.message === "" ? {} : { message: decision.message },
  };
}

const badContext = "the body must be {context: {targetingKey, …}}";

export function evaluateOne(ctx: Ctx, catalogue: Catalogue, key: string, raw: unknown): OfrepAnswer {
  const rules = ctx.live.rules();
  const keys = keysFor(catalogue, rules, requireApplication(ctx));
  const asked = readContext(ctx, raw);
  if (!asked) return failure(400, key, "INVALID_CONTEXT", badContext);
  if (!keys.includes(key))
    return failure(404, key, "FLAG_NOT_FOUND", `no switch of this application is called ${key}`);
  const body = evaluate(rules, key, asked, ctx.now().getTime());
  return { status: "errorCode" in body ? 400 : 200, body };
}

export function evaluateAll(
  ctx: Ctx,
  catalogue: Catalogue,
  raw: unknown,
  ifNoneMatch: string | undefined,
  stream: string,
): OfrepAnswer {
  const rules = ctx.live.rules();
  const keys = keysFor(catalogue, rules, requireApplication(ctx));
  const asked = readContext(ctx, raw);
  if (!asked) return failure(400, undefined, "INVALID_CONTEXT", badContext);
  const nowMs = ctx.now().getTime();
  const flags = keys.map((key) => evaluate(rules, key, asked, nowMs));
  const etag = `"${createHash("sha256").update(JSON.stringify(flags)).digest("base64url").slice(0, 27)}"`;
  const headers = { etag, "cache-control": "private, no-cache" };
  const known = ifNoneMatch?.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (known?.includes(etag)) return { status: 304, headers };
  // By its address below ours: an application knows best under which name it reaches us.
  const eventStreams = [{ type: "sse", endpoint: { requestUri: stream }, inactivityDelaySec: 120 }];
  return { status: 200, headers, body: { flags, eventStreams, metadata: { revision: ctx.live.revision } } };
}
