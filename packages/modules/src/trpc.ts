// The three kinds of procedure, and what every call of one passes: who calls, the gateway, then the verb.
// The official tRPC handler and the fast path of apps/api both go through `enter`, so there is one behaviour.

import { AppError, errorTable, type FieldError, toProblem } from "@signalbox/core/errors";
import { nameDatabaseFault } from "@signalbox/db";
import type { Call } from "@signalbox/gateway/pipeline";
import { initTRPC, TRPCError } from "@trpc/server";
import { ZodError } from "zod";
import type { AsOperator, AsUser, Ctx } from "./ctx.ts";

export type Meta = {
  /** `METHOD /path` below the version's prefix; `{name}` is taken from the input's field of that name. */
  rest?: `${"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} /${string}`;
  /** The status of a REST success: 200 by default, 204 where there is nothing to say. */
  status?: 200 | 201 | 202 | 204;
  auth?: "guest" | "user" | "operator";
  /** Shed last, as everything else, or first. */
  priority?: Call["priority"];
  /** The least role an operator needs. */
  role?: "viewer" | "operator" | "admin";
  summary?: string;
};

const trpc = initTRPC
  .context<Ctx>()
  .meta<Meta>()
  .create({
    errorFormatter({ shape, error, ctx }) {
      const problem = toProblem(nameError(error), ctx?.requestId ?? "unknown");
      // The stack that tRPC adds in development never leaves, in no environment.
      const { stack: _stack, ...data } = shape.data;
      return {
        ...shape,
        message: problem.detail,
        data: { ...data, httpStatus: problem.status, code: problem.code, ...extras(problem) },
      };
    },
  });

function extras({ requestId, errors, retryAfterMs, title }: ReturnType<typeof toProblem>) {
  return {
    title,
    requestId,
    ...(errors ? { errors } : {}),
    ...(retryAfterMs !== undefined ? { retryAfterMs } : {}),
  };
}

/** Whatever was thrown, as one of our codes. */
export function nameError(error: unknown): AppError {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof AppError) return at;
    if (at instanceof ZodError) return invalid(at);
  }
  if (error instanceof TRPCError && error.cause === undefined) {
    const row = Object.entries(errorTable).find(([, { trpc: code }]) => code === error.code);
    if (row && row[0] !== "internal")
      return new AppError(row[0] as AppError["code"], error.message, { cause: error });
  }
  return (
    nameDatabaseFault(error) ??
    new AppError("internal", "something went wrong on our side; the request id finds it in the log", {
      cause: error,
    })
  );
}

export function invalid(error: ZodError): AppError {
  const errors: FieldError[] = error.issues.map(({ path, message }) => ({ field: path.join("."), message }));
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
  if (meta?.auth !== "operator") return;
  if (ctx.actor.kind !== "operator")
    throw new AppError("unauthorized", "this needs an operator's token or session");
  const least = meta.role ?? "viewer";
  if (roleRank[ctx.actor.role] < roleRank[least])
    throw new AppError("forbidden", `this needs the role ${least}`);
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

/** The door of a procedure. Operator calls skip the gateway: no one locks himself out. */
export function enter<T>(
  ctx: Ctx,
  name: string,
  meta: Meta | undefined,
  run: (ctx: Ctx) => Promise<T>,
): Promise<T> {
  admit(ctx, meta);
  if (meta?.auth === "operator") return run(ctx);
  const call = toCall(ctx, name, meta);
  return ctx.gateway(call, () => run(call.variant === ctx.variant ? ctx : { ...ctx, variant: call.variant }));
}

const procedure = trpc.procedure.use(async ({ ctx, path, meta, next }) =>
  enter(ctx, path, meta, async (inner) => {
    const result = await next({ ctx: inner });
    // tRPC hands failure on as a value; stages see it as the throw that it was.
    if (!result.ok) throw result.error;
    return result;
  }),
);

export const guestProcedure = procedure.meta({ auth: "guest" });
// The casts narrow what `admit` has checked by the time a resolver runs.
export const userProcedure = procedure
  .meta({ auth: "user" })
  .use(({ ctx, next }) => next({ ctx: ctx as AsUser }));
export const operatorProcedure = procedure
  .meta({ auth: "operator" })
  .use(({ ctx, next }) => next({ ctx: ctx as AsOperator }));

export const createRouter = trpc.router;
