// Calls of modules that run in other processes. What a verb is given goes along, signed; what it gives comes back as it left
// the other process, and so do its refusals and the headers that it wants on the answer.

import { AppError, type ErrorCode, errorTable, type FieldError } from "@signalbox/core/errors";
import type { Call } from "@signalbox/gateway/pipeline";
import type { Upstreams } from "@signalbox/gateway/upstreams/index";
import type { Ctx, Deps } from "./ctx.ts";

export type Elsewhere = {
  has(service: string): boolean;
  call(ctx: Ctx, call: Call, asked: { idempotent: boolean; raw: unknown }): Promise<Foreign>;
};

/** What a verb of another process gave: its JSON goes out as it came. */
export class Foreign {
  /** Undefined where there was nothing to say. */
  readonly json: string | undefined;

  constructor(json: string) {
    this.json = json === "" ? undefined : json;
  }

  plain(): unknown {
    return this.json === undefined ? undefined : JSON.parse(this.json);
  }
}

/** All of a ctx that is about the call and not about the process. A new field of Ctx does not compile before it stands here too. */
type Carried = {
  [Key in keyof Required<
    Omit<Ctx, keyof Deps | "event" | "claim" | "answer" | "toll" | "peer" | "timeoutMs" | "override">
  >]: Ctx[Key];
};

const carry = (ctx: Ctx): Carried => ({
  actor: ctx.actor,
  requestId: ctx.requestId,
  traceparent: ctx.traceparent,
  parentSpanId: ctx.parentSpanId,
  variant: ctx.variant,
  address: ctx.address,
  userAgent: ctx.userAgent,
  appVersion: ctx.appVersion,
  region: ctx.region,
  application: ctx.application,
  ifMatch: ctx.ifMatch,
  idempotencyKey: ctx.idempotencyKey,
});

export type Arrived = Carried & { timeoutMs?: number };

export type Told = { headers: Record<string, string>; status?: number };

/** What goes beside the answer; empty: nothing to tell. */
export function tell({ headers, status }: Told): string {
  for (const _name in headers) return JSON.stringify({ headers, status });
  return status === undefined ? "" : JSON.stringify({ headers, status });
}

export type ForeignError = { code: ErrorCode; detail: string; errors?: FieldError[]; retryAfterMs?: number };

export function createElsewhere(upstreams: Upstreams, local: ReadonlySet<string>): Elsewhere {
  return {
    has: (service) => !local.has(service),
    async call(ctx, call, { idempotent, raw }) {
      const { name, service, variant } = call;
      const { status, told, body, track } = await upstreams.call({
        name,
        service,
        variant,
        idempotent,
        context: carry(ctx),
        body: raw === undefined ? "" : JSON.stringify(raw),
      });
      if (call.elsewhere) {
        call.elsewhere.counted = true;
        call.elsewhere.escaped = call.arm !== undefined && variant === "canary" && track === "stable";
      }
      if (told !== "") take(ctx, JSON.parse(told) as Told);
      if (status === 200) return new Foreign(body);
      throw toError(body, status);
    },
  };
}

function take({ answer }: Ctx, { headers, status }: Told): void {
  for (const name in headers) {
    const value = headers[name]!;
    const own = answer.headers[name];
    // Both sides limit, each by what it knows: these headers are lists.
    answer.headers[name] = own !== undefined && name.startsWith("RateLimit") ? `${own}, ${value}` : value;
  }
  if (status !== undefined) answer.status = status;
}

function toError(body: string, status: number): AppError {
  const { code, detail, errors, retryAfterMs } = JSON.parse(body) as ForeignError;
  // A newer process may know more codes than this one.
  if (!Object.hasOwn(errorTable, code)) return new AppError("internal", `an answer of status ${status}`);
  return new AppError(code, detail, {
    ...(errors ? { errors } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
