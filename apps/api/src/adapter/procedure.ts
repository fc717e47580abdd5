// A procedure of the router, taken apart once at mount: what the doors (tRPC's fast path, REST, the description) call and read.

import type { Ctx } from "@signalbox/modules/ctx";
import { Foreign } from "@signalbox/modules/elsewhere";
import {
  cross,
  enter,
  forward,
  invalid,
  type Meta,
  middlewareKind,
  serviceOf,
} from "@signalbox/modules/trpc";
import type { AnyTRPCRouter } from "@trpc/server";
import { z } from "zod";
import { compileOutput, type Encode } from "./output.ts";

export type Kind = "query" | "mutation" | "subscription";

export type Procedure = {
  name: string;
  kind: Kind;
  meta: Meta;
  inputs: z.ZodType[];
  output: z.ZodType | undefined;
  /** False where the chain holds something the compiler does not know: then tRPC itself walks it. */
  compiled: boolean;
  /** Waits for nothing where its verb and the stages before it do not. */
  call(ctx: Ctx, raw: unknown, signal: () => AbortSignal): unknown;
  /** The answer as JSON; undefined where there is nothing to say. */
  encode: Encode;
};

/** What comes from another process has been written there. */
const encodeWith =
  (encode: Encode): Encode =>
  (data) =>
    data instanceof Foreign ? data.json : encode(data);

// What tRPC 11 keeps of a procedure. `resolver` and `middlewares` are there at run time and not in its types.
type Definition = {
  type: Kind;
  meta?: Meta;
  inputs: unknown[];
  output?: unknown;
  middlewares?: unknown[];
  resolver?: (options: unknown) => unknown;
};
type Caller = ((options: unknown) => Promise<unknown>) & { _def: Definition };

export function readProcedures(router: AnyTRPCRouter): Procedure[] {
  return Object.entries(router._def.procedures as Record<string, Caller>).map(([name, caller]) => {
    const { type: kind, meta = {}, inputs, output } = caller._def;
    const compiled = compile(name, caller._def);
    return {
      name,
      kind,
      meta,
      inputs: inputs.filter(isZod),
      output: isZod(output) ? output : undefined,
      compiled: compiled !== undefined,
      call: compiled ?? ask(name, caller),
      encode: encodeWith(compileOutput(isZod(output) ? output : undefined)),
    };
  });
}

/** Input and resolver behind `enter`, without the walk through the chain; undefined: only tRPC may walk it. */
function compile(name: string, { type, meta, inputs, output, middlewares, resolver }: Definition) {
  if (!resolver || !middlewares || !inputs.every(isZod) || (output !== undefined && !isZod(output)))
    return undefined;
  // The last link is tRPC's own: it calls the resolver.
  const [first, ...rest] = middlewares.slice(0, -1);
  if (middlewareKind(first) !== "door" || middlewareKind(rest.pop()) !== "threshold") return undefined;
  const kinds = rest.map((link) => middlewareKind(link) ?? (link as { _type?: string })._type);
  if (!kinds.every((kind) => kind === "cast" || kind === "input" || kind === "output")) return undefined;
  if (kinds.filter((kind) => kind === "input").length !== inputs.length) return undefined;

  const parse = compileInput(inputs);
  const service = serviceOf(name);
  return (ctx: Ctx, raw: unknown, signal: () => AbortSignal) => {
    if (type !== "subscription" && ctx.elsewhere?.has(service))
      return forward(ctx, { name, meta, type, raw });
    const answer = (inner: Ctx, input: unknown) =>
      cross(inner, { name, meta, type, raw: () => raw }, (inner) =>
        resolver(new ResolverOptions(inner, input, name, type, meta, signal)),
      );
    return enter(ctx, name, meta, (inner) => {
      const input = parse(raw);
      return input instanceof Promise ? input.then((input) => answer(inner, input)) : answer(inner, input);
    });
  };
}

/** What tRPC hands to a resolver. Most never ask for the signal, so it is made when one does. */
class ResolverOptions {
  readonly ctx: Ctx;
  readonly input: unknown;
  readonly path: string;
  readonly type: Kind;
  readonly meta: Meta | undefined;
  readonly #signal: () => AbortSignal;

  constructor(
    ctx: Ctx,
    input: unknown,
    path: string,
    type: Kind,
    meta: Meta | undefined,
    signal: () => AbortSignal,
  ) {
    this.ctx = ctx;
    this.input = input;
    this.path = path;
    this.type = type;
    this.meta = meta;
    this.#signal = signal;
  }

  get signal(): AbortSignal {
    return this.#signal();
  }
}

const ask = (path: string, caller: Caller) => (ctx: Ctx, raw: unknown, signal: () => AbortSignal) =>
  caller({
    ctx,
    path,
    type: caller._def.type,
    getRawInput: async () => raw,
    signal: signal(),
    batchIndex: 0,
  });

const isZod = (schema: unknown): schema is z.ZodType => schema instanceof z.ZodType;

type Parse = (raw: unknown) => unknown | Promise<unknown>;

function compileInput(schemas: z.ZodType[]): Parse {
  const [only, ...more] = schemas.map(compileSchema);
  if (!only) return () => undefined;
  if (more.length === 0) return only;
  // As tRPC does it: each schema reads the whole input, objects are laid over each other.
  return async (raw) => {
    let input = await only(raw);
    for (const parse of more) {
      const next = await parse(raw);
      input = isObject(input) && isObject(next) ? { ...input, ...next } : next;
    }
    return input;
  };
}

function compileSchema(schema: z.ZodType): Parse {
  let waits = false;
  const unwrap = (result: z.ZodSafeParseResult<unknown>) => {
    if (result.success) return result.data;
    throw invalid(result.error);
  };
  return (raw) => {
    if (!waits) {
      try {
        return unwrap(schema.safeParse(raw));
      } catch (error) {
        if (!(error instanceof z.core.$ZodAsyncError)) throw error;
        waits = true;
      }
    }
    return schema.safeParseAsync(raw).then(unwrap);
  };
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
