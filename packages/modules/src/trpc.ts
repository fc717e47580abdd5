// The three kinds of procedure, and what every call of one passes: who calls, the gateway, then the verb.
// The official tRPC handler and the fast path of apps/api both go through `enter`, so there is one behaviour.

import { AppError, type ErrorCode, errorTable, type FieldError, toProblem } from "@signalbox/core/errors";
import { nameDatabaseFault } from "@signalbox/db";
import type { Call } from "@signalbox/gateway/pipeline";
import { initTRPC, TRPCError } from "@trpc/server";
import { TRPC_ERROR_CODES_BY_KEY } from "@trpc/server/rpc";
import { ZodError } from "zod";
import { isAllowed } from "./auth/applications.ts";
import type { AsOperator, AsUser, Ctx } from "./ctx.ts";
import { once } from "./idempotency.ts";

export type Meta = {
  /** `METHOD /path` below the version's prefix; `{name}` is taken from the input's field of that name. */
  rest?: `${"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} /${string}`;
  /** The status of a REST success: 200 by default, 204 where there is nothing to say. */
  status?: 200 | 201 | 202 | 204;
  auth?: "guest" | "user" | "operator";
  /** Shed last, as everything else, or first. */
  priority?: Call["priority"];
  /** A user needs the role moderator as well. */
  moderator?: true;
  /** The least role an operator needs. */
  role?: "viewer" | "operator" | "admin";
  summary?: string;
  /** Takes If-Match: the description then says so, and that 412 can come back. */
  ifMatch?: true;
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

export function invalid(error: ZodError): AppError {
  const errors: FieldError[] = error.issues
    .slice(0, maxFieldErrors)
    .map(({ path, message }) => ({ field: path.join("."), message }));
  return new AppError(
    "invalid",
    errors.map(({ field, message }) => (field ? `${field}: ${message}` : message)).join("; "),
    { errors },
  );
}

const roleRank = { viewer: 0, operator: 1, admin: 2 } as const;

/** Refuses a caller who may not come in at all. */
export function admit(ctx: Ctx, meta: Meta | undefined): void {
  if (meta?.auth === "user" && ctx.actor.kind !== "user")
    throw new AppError("unauthorized", "this needs an access token");
  // The role stands in the token; a token of another role than the account's has been refused before.
  if (meta?.moderator && !(ctx.actor.kind === "user" && ctx.actor.role === "moderator"))
    throw new AppError("forbidden", "this needs the role moderator");
  if (meta?.auth !== "operator") return;
  if (ctx.actor.kind !== "operator")
    throw new AppError("unauthorized", "this needs an operator's token or session");
  const least = meta.role ?? "viewer";
  if (roleRank[ctx.actor.role] < roleRank[least])
    throw new AppError("forbidden", `this needs the role ${least}`);
}

/** An application calls what its scopes name, whoever it calls for. */
function admitApplication({ application }: Ctx, name: string): void {
  if (application && !isAllowed(application, name))
    throw new AppError("forbidden", `this application may not call ${name}`);
}

export function toCall(ctx: Ctx, name: string, meta: Meta | undefined): Call {
  const { actor } = ctx;
  const id = actor.kind === "user" || actor.kind === "operator" ? actor.id : ctx.address;
  return {
    name,
    service: name.slice(0, name.indexOf(".")),
    priority: meta?.priority ?? "normal",
    caller: { kind: actor.kind, id, address: ctx.address },
    requestId: ctx.requestId,
    traceparent: ctx.traceparent,
    variant: "stable",
    headers: ctx.answer.headers,
    startedAt: performance.now(),
  };
}

/**
 * The door of a procedure. Operator calls skip the gateway: no one locks himself out. What fails behind the door
 * reaches the stages, and whoever called, as an AppError.
 */
export function enter<T>(
  ctx: Ctx,
  name: string,
  meta: Meta | undefined,
  run: (ctx: Ctx) => T | Promise<T>,
): Promise<T> {
  admit(ctx, meta);
  admitApplication(ctx, name);
  const call = toCall(ctx, name, meta);
  const inside = async () => {
    try {
      return await run(call.variant === ctx.variant ? ctx : { ...ctx, variant: call.variant });
    } catch (error) {
      throw nameError(error);
    }
  };
  return meta?.auth === "operator" ? inside() : ctx.gateway(call, inside);
}

/** A mutation takes effect once for one Idempotency-Key; without the header this costs a look at a field. */
export function onceByKey<T>(
  ctx: Ctx,
  name: string,
  raw: unknown,
  run: (ctx: Ctx) => T | Promise<T>,
): T | Promise<T> {
  const { idempotencyKey: key } = ctx;
  return key === undefined ? run(ctx) : once(ctx, { name, key, raw, nameError }, run);
}

const door = trpc.middleware(({ ctx, path, meta, type, getRawInput, next }) =>
  enter(ctx, path, meta, async (inner) => {
    let walked: Awaited<ReturnType<typeof next>> | undefined;
    const walk = async (ctx: Ctx) => {
      const result = await next({ ctx });
      // tRPC hands failure on as a value; stages see it as the throw that it was.
      if (!result.ok) throw result.error;
      walked = result;
      return result.data;
    };
    const data =
      type === "mutation" && inner.idempotencyKey !== undefined
        ? await onceByKey(inner, path, await getRawInput(), walk)
        : await walk(inner);
    // An answer that was kept did not come through the chain; tRPC reads no more than this of it.
    return walked ?? ({ ok: true, data } as NonNullable<typeof walked>);
  }),
);
// The casts narrow what `admit` has checked by the time a resolver runs.
const asUser = trpc.middleware(({ ctx, next }) => next({ ctx: ctx as AsUser }));
const asOperator = trpc.middleware(({ ctx, next }) => next({ ctx: ctx as AsOperator }));

const doors = new Set<unknown>(door._middlewares);
const casts = new Set<unknown>([...asUser._middlewares, ...asOperator._middlewares]);
/** What the fast path may take apart: `enter` it calls itself, a cast does nothing at run time. */
export const middlewareKind = (middleware: unknown): "door" | "cast" | undefined =>
  doors.has(middleware) ? "door" : casts.has(middleware) ? "cast" : undefined;

const procedure = trpc.procedure.use(door);
export const guestProcedure = procedure.meta({ auth: "guest" });
export const userProcedure = procedure.meta({ auth: "user" }).use(asUser);
export const moderatorProcedure = userProcedure.meta({ moderator: true });
export const operatorProcedure = procedure.meta({ auth: "operator" }).use(asOperator);

export const createRouter = trpc.router;
