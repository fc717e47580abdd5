// The three kinds of procedure, and what every call of one passes: who calls, the gateway, then the verb.
// The official tRPC handler and the fast path of apps/api both go through `enter`, so there is one behaviour.

import { AppError, type ErrorCode, errorTable, type FieldError, toProblem } from "@signalbox/core/errors";
import { Deadline, onEnd, withDeadline } from "@signalbox/core/resilience/deadline";
import { nameDatabaseFault } from "@signalbox/db";
import type { Call } from "@signalbox/gateway/pipeline";
import { initTRPC, TRPCError } from "@trpc/server";
import { TRPC_ERROR_CODES_BY_KEY } from "@trpc/server/rpc";
import { ZodError } from "zod";
import { isAllowed } from "./auth/applications.ts";
import type { AsOperator, AsUser, Ctx } from "./ctx.ts";
import type { Foreign } from "./elsewhere.ts";
import { once } from "./idempotency.ts";
import { noted } from "./replicas/index.ts";
import "./wording.ts";
import { keeper } from "./writes/keep.ts";

export type Meta = {
  /** `METHOD /path` below the version's prefix; `{name}` is taken from the input's field of that name. */
  rest?: `${"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} /${string}`;
  /** Of a subscription: where a route of its own answers with server-sent events, and which those are. */
  stream?: { rest: `GET /${string}`; events: string };
  /** The status of a REST success: 200 by default, 204 where there is nothing to say. */
  status?: 200 | 201 | 202 | 204;
  auth?: "guest" | "user" | "operator";
  /** Shed last, as everything else, or first. */
  priority?: Call["priority"];
  /** How much of its caller's limits a call takes, where it is dearer than most: 1 by default. */
  weight?: number;
  /** How long it may take, where that is less than usual. */
  timeoutMs?: number;
  /** A user needs the role moderator as well. */
  moderator?: true;
  /** The least role an operator needs. */
  role?: "viewer" | "operator" | "admin";
  summary?: string;
  /** While the database is away it is written down and done later, where operators want that: answered with 202. */
  mayWait?: true;
  /** Takes If-Match: the description then says so, and that 412 can come back. */
  ifMatch?: true;
  /** Its answer has parts that it can do without: see optional.ts. */
  lessens?: true;
  /** A DELETE that takes its input in the body: what must not stand in an address. */
  body?: true;
};

const trpc = initTRPC
  .context<Ctx>()
  .meta<Meta>()
  .create({
    // The stack that tRPC adds in development never leaves, in no environment: the shape is ours from the ground.
    errorFormatter: ({ error, ctx, path }) =>
      toErrorShape(nameError(error), ctx?.requestId ?? "unknown", path),
  });

/** A refusal as tRPC's clients read it: their outer shape, our words in `data`. */
export function toErrorShape(error: AppError, requestId: string, path?: string) {
  const { code, status, title, detail, errors, retryAfterMs } = toProblem(error, requestId);
  return {
    message: detail,
    code: TRPC_ERROR_CODES_BY_KEY[errorTable[code].trpc],
    data: {
      code,
      httpStatus: status,
      ...(path === undefined ? {} : { path }),
      title,
      requestId,
      ...(errors ? { errors } : {}),
      ...(retryAfterMs !== undefined ? { retryAfterMs } : {}),
    },
  };
}

/** Whatever was thrown, as one of our codes. */
export function nameError(error: unknown): AppError {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof AppError) return at;
  }
  if (error instanceof TRPCError && error.code !== "INTERNAL_SERVER_ERROR") {
    // Only here is a ZodError about what the caller sent; anywhere else we broke a shape of our own.
    if (error.code === "BAD_REQUEST" && error.cause instanceof ZodError) return invalid(error.cause);
    const unread = error.cause instanceof SyntaxError ? "the input is not JSON: " : "";
    return new AppError(codeOf(error), unread + error.message, { cause: error });
  }
  return (
    nameDatabaseFault(error) ??
    new AppError("internal", "something went wrong on our side; the request id finds it in the log", {
      cause: error,
    })
  );
}

function codeOf(error: TRPCError): ErrorCode {
  const codes = Object.keys(errorTable) as ErrorCode[];
  return codes.find((code) => errorTable[code].trpc === error.code) ?? "malformed";
}

const maxFieldErrors = 50;
/** A field that is not known is named as it was sent. */
const maxFieldName = 200;

export function invalid(error: ZodError): AppError {
  const errors: FieldError[] = error.issues
    .slice(0, maxFieldErrors)
    .flatMap((issue) => {
      const { path, message } = issue;
      const fields = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...path, key]) : [path];
      return fields.map((field) => ({ field: field.join(".").slice(0, maxFieldName), message }));
    })
    .slice(0, maxFieldErrors);
  return new AppError(
    "invalid",
    errors.map(({ field, message }) => (field ? `${field}: ${message}` : message)).join("; "),
    { errors },
  );
}

const roleRank = { viewer: 0, operator: 1, admin: 2 } as const;

/** The 401 of whoever is not known: said before a byte of the body is read. */
export function refuseStranger({ actor }: Ctx, meta: Meta | undefined): AppError | undefined {
  if (meta?.auth === "user" && actor.kind !== "user")
    return new AppError("unauthorized", "this needs an access token");
  if (meta?.auth === "operator" && actor.kind !== "operator")
    return new AppError("unauthorized", "this needs an operator's token or session");
  return undefined;
}

/** The 403 of who is known and may not do this: said only to a request that is right in itself. */
function permit({ actor, application }: Ctx, name: string, meta: Meta | undefined): void {
  // The role stands in the token; a token of another role than the account's has been refused before.
  if (meta?.moderator && !(actor.kind === "user" && actor.role === "moderator"))
    throw new AppError("forbidden", "this needs the role moderator");
  const least = meta?.role ?? "viewer";
  if (meta?.auth === "operator" && actor.kind === "operator" && roleRank[actor.role] < roleRank[least])
    throw new AppError("forbidden", `this needs the role ${least}`);
  if (!application) return;
  if (application.barred !== undefined) throw new AppError("forbidden", application.barred);
  // An application calls what its scopes name, whoever it calls for.
  if (!isAllowed(application, name)) throw new AppError("forbidden", `this application may not call ${name}`);
}

/** What the server allows one statement, so that a call ends before its statement would. */
const usualTimeoutMs = 10_000;
/** While others found the database silent, an operator's look at it is told so soon, though not before it could have woken up. */
const silentTimeoutMs = 4_000;

const timeoutOf = ({ actor, dependencies }: Ctx, meta: Meta | undefined): number => {
  const usual = meta?.timeoutMs ?? usualTimeoutMs;
  if (actor.kind !== "operator") return usual;
  const isSilent = dependencies.list().some(({ name, state }) => name === "postgres" && state !== "closed");
  return isSilent ? Math.min(usual, silentTimeoutMs) : usual;
};

export function toCall(ctx: Ctx, name: string, meta: Meta | undefined): Call {
  const { actor, toll, application } = ctx;
  const id = actor.kind === "user" || actor.kind === "operator" ? actor.id : ctx.address;
  const startedAt = performance.now();
  const call: Call = {
    name,
    service: serviceOf(name),
    priority: meta?.priority ?? "normal",
    caller: callerOf(ctx, id),
    weight: meta?.weight ?? 1,
    requestId: ctx.requestId,
    traceparent: ctx.traceparent,
    variant: ctx.variant,
    headers: ctx.answer.headers,
    startedAt,
    deadline: new Deadline(
      Math.min(ctx.timeoutMs ?? Number.POSITIVE_INFINITY, timeoutOf(ctx, meta)),
      ctx.peer,
      startedAt,
    ),
  };
  if (toll !== undefined) call.toll = toll;
  if (ctx.override !== undefined) call.override = ctx.override;
  if (application?.limit !== undefined)
    call.application = { limit: application.limit, subject: application.id };
  if (ctx.parentSpanId !== undefined) call.parentSpanId = ctx.parentSpanId;
  return call;
}

function callerOf({ actor, address, region, appVersion, application }: Ctx, id: string): Call["caller"] {
  const caller: Call["caller"] = { kind: actor.kind, id, address, role: actor.kind };
  if (actor.kind === "user") {
    caller.user = id;
    caller.role = actor.role ?? "user";
  }
  if (region !== undefined) caller.region = region;
  if (appVersion !== undefined) caller.appVersion = appVersion;
  if (application) caller.application = application.id;
  return caller;
}

export const serviceOf = (name: string): string => name.slice(0, name.indexOf("."));

/**
 * The door of a procedure. Operator calls skip the gateway: no one locks himself out. `run` reads the input, and then crosses the
 * threshold. Nobody waits where neither a stage nor `run` does; what is refused then is thrown. What fails is thrown as it was, and
 * named by whoever answers: a promise a call for it would be dear.
 */
export function enter<T>(
  ctx: Ctx,
  name: string,
  meta: Meta | undefined,
  run: (ctx: Ctx, call: Call) => T | Promise<T>,
  more?: Pick<Call, "elsewhere">,
): T | Promise<T> {
  const stranger = refuseStranger(ctx, meta);
  if (stranger) throw stranger;
  const call = toCall(ctx, name, meta);
  if (more) Object.assign(call, more);
  const inside = () => run(call.variant === ctx.variant ? ctx : { ...ctx, variant: call.variant }, call);
  if (meta?.auth !== "operator") return withDeadline(call.deadline, () => ctx.gateway(call, inside));
  // What an operator does goes on to its end; what he only looks at ends with its time.
  return meta.rest?.startsWith("GET ") ? inTime(call.deadline, inside) : inside();
}

/** Whatever it waits for, an answer comes in time. */
function inTime<T>(deadline: Deadline, work: () => T | Promise<T>): Promise<T> {
  deadline.asksAnyway = true;
  return new Promise((resolve, reject) => {
    const watch = onEnd(deadline, (why) =>
      reject(
        why.code !== "deadline"
          ? why
          : new AppError(
              "unavailable",
              "what this is read from does not answer in time; switches can be turned all the same",
              { retryAfterMs: 2_000, cause: why },
            ),
      ),
    );
    withDeadline(deadline, async () => work())
      .then(resolve, reject)
      .finally(() => watch[Symbol.dispose]());
  });
}

type Forwarded = { name: string; meta: Meta | undefined; type: string; raw: unknown };

/** The same door for a verb that runs in another process: what is behind the door happens there. */
export function forward(ctx: Ctx, { name, meta, type, raw }: Forwarded): Foreign | Promise<Foreign> {
  const idempotent =
    type === "query" || ctx.idempotencyKey !== undefined || /^(PUT|DELETE) /.test(meta?.rest ?? "");
  return enter(ctx, name, meta, (inner, call) => inner.elsewhere!.call(inner, call, { idempotent, raw }), {
    elsewhere: { counted: false },
  });
}

type Crossing = { name: string; meta: Meta | undefined; type: string; raw: () => unknown };

/**
 * Behind the input and before the verb: may this caller do it, and has it been done under this Idempotency-Key?
 * A mutation takes effect once for one key; without the header that costs a look at a field.
 */
export function cross<T>(
  ctx: Ctx,
  { name, meta, type, raw }: Crossing,
  run: (ctx: Ctx) => T | Promise<T>,
): T | Promise<T> {
  permit(ctx, name, meta);
  const { idempotencyKey: key } = ctx;
  const isNoted = ctx.replicas !== undefined && type === "mutation" && ctx.actor.kind === "user";
  const verb = isNoted ? (ctx: Ctx) => noted(ctx, run) : run;
  const kept = meta?.mayWait ? keeper(ctx, { name, raw }) : undefined;
  if (kept) return kept.run(() => once(ctx, { name, key: kept.key, raw: raw(), nameError }, verb));
  return key === undefined || type !== "mutation"
    ? verb(ctx)
    : once(ctx, { name, key, raw: raw(), nameError }, verb);
}

const door = trpc.middleware(async ({ ctx, path, meta, type, getRawInput, next }) => {
  // A subscription stays where its connection ends; what it asks for may be elsewhere.
  if (type !== "subscription" && ctx.elsewhere?.has(serviceOf(path))) {
    const foreign = await forward(ctx, { name: path, meta, type, raw: await getRawInput() });
    return settled(foreign.plain());
  }
  return enter(ctx, path, meta, async (inner) => {
    const result = await next({ ctx: inner });
    // tRPC hands failure on as a value; stages see it as the throw that it was.
    if (!result.ok) throw nameError(result.error);
    return result;
  });
});

/** An answer that did not come through the chain; tRPC reads no more than this of it. */
const settled = (data: unknown) =>
  ({ ok: true, data }) as Awaited<ReturnType<Parameters<Parameters<typeof trpc.middleware>[0]>[0]["next"]>>;

const threshold = trpc.middleware(async ({ ctx, path, meta, type, getRawInput, next }) => {
  let walked: Awaited<ReturnType<typeof next>> | undefined;
  const walk = async (ctx: Ctx) => {
    const result = await next({ ctx });
    if (!result.ok) throw result.error;
    walked = result;
    return result.data;
  };
  const raw = ctx.idempotencyKey === undefined && !meta?.mayWait ? undefined : await getRawInput();
  const data = await cross(ctx, { name: path, meta, type, raw: () => raw }, walk);
  return walked ?? settled(data);
});

// The casts narrow what the door has checked by the time a resolver runs.
const asUser = trpc.middleware(({ ctx, next }) => next({ ctx: ctx as AsUser }));
const asOperator = trpc.middleware(({ ctx, next }) => next({ ctx: ctx as AsOperator }));

const kinds = new Map<unknown, "door" | "cast" | "threshold">([
  ...door._middlewares.map((each) => [each, "door"] as const),
  ...[asUser, asOperator].flatMap(({ _middlewares }) => _middlewares.map((each) => [each, "cast"] as const)),
  ...threshold._middlewares.map((each) => [each, "threshold"] as const),
]);
/** What the fast path may take apart: the door and the threshold it passes by itself, a cast does nothing at run time. */
export const middlewareKind = (middleware: unknown) => kinds.get(middleware);

const procedure = trpc.procedure.use(door);
export const guestProcedure = procedure.meta({ auth: "guest" });
export const userProcedure = procedure.meta({ auth: "user" }).use(asUser);
export const moderatorProcedure = userProcedure.meta({ moderator: true });
export const operatorProcedure = procedure.meta({ auth: "operator" }).use(asOperator);

/**
 * Puts the threshold before the verb of each procedure. tRPC's builder takes a middleware only before the input that is
 * declared after it, so it is laid into the finished chain, whose last link calls the verb.
 */
export const createRouter: typeof trpc.router = (record) => {
  const router = trpc.router(record);
  for (const { _def } of Object.values<{ _def: object }>(router._def.procedures)) {
    const { middlewares } = _def as { middlewares: unknown[] };
    if (!middlewares.some((each) => middlewareKind(each) === "threshold"))
      middlewares.splice(-1, 0, ...threshold._middlewares);
  }
  return router;
};
