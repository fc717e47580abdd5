// A small router of real procedures, a ctx without engines, and an app around them: for this folder's tests and the benchmark.

import { EventEmitter } from "node:events";
import { AppError } from "@signalbox/core/errors";
import { createLogger } from "@signalbox/core/log";
import { createDependencies } from "@signalbox/core/resilience/dependencies";
import type { Stage } from "@signalbox/gateway/pipeline";
import type { Actor, Ctx } from "@signalbox/modules/ctx";
import { createRouter, guestProcedure, operatorProcedure, userProcedure } from "@signalbox/modules/trpc";
import { tracked } from "@trpc/server";
import fastify, { type FastifyInstance } from "fastify";
import { z } from "zod";
import type { Asked } from "./exchange.ts";
import { mountProcedures } from "./mount.ts";
import { prepareServer, serverOptions } from "./server.ts";

const Item = z.object({
  id: z.string(),
  text: z.string(),
  author: z.object({ handle: z.string(), avatar: z.string().nullable() }),
  replyTo: z.string().nullable(),
  counts: z.object({ likes: z.number().int() }),
});
export const item = (id: string, text = "hello") => ({
  id,
  text,
  author: { handle: "ann", avatar: null, passwordHash: "never seen" },
  replyTo: null,
  counts: { likes: 3 },
});
const ById = z.object({ id: z.string().max(80) });

let failing = 0;
/** Tells the names of calls whose callers left before the end. */
export const departures = new EventEmitter<{ left: [string] }>();

export const sampleRouter = createRouter({
  sample: {
    item: {
      read: guestProcedure
        .meta({ rest: "GET /items/{id}", summary: "One item", ifMatch: true })
        .input(ById)
        .output(Item)
        .query(({ ctx, input }) => {
          if (input.id === "none") throw new AppError("not_found", "there is nothing under this id");
          ctx.answer.headers.ETag = '"v1"';
          return item(input.id);
        }),
      create: userProcedure
        .meta({ rest: "POST /items", status: 201, summary: "Make an item" })
        .input(z.object({ text: z.string().min(1).max(2_000_000), replyTo: z.string().nullish() }))
        .output(Item)
        .mutation(({ ctx, input }) => {
          ctx.answer.headers.Location = "/items/new";
          return item("new", input.text);
        }),
      change: userProcedure
        .meta({ rest: "PATCH /items/{id}", summary: "Change an item", ifMatch: true })
        .input(ById.extend({ text: z.string().min(1) }))
        .mutation(({ ctx, input }) => {
          if (ctx.ifMatch !== undefined && ctx.ifMatch !== '"v1"')
            throw new AppError("stale", "it changed since you read it");
          return { id: input.id, text: input.text };
        }),
      delete: userProcedure
        .meta({ rest: "DELETE /items/{id}", status: 204, summary: "Delete an item" })
        .input(ById)
        .output(z.void())
        .mutation(() => undefined),
      list: guestProcedure
        .meta({ rest: "GET /items", summary: "Items" })
        .input(
          z.object({
            limit: z.number().int().min(1).max(100).default(20),
            hot: z.boolean().optional(),
            tags: z.array(z.string()).optional(),
            sizes: z.array(z.number()).optional(),
            name: z.string().optional(),
          }),
        )
        .query(({ input }) => input),
      long: guestProcedure
        .meta({ rest: "GET /long" })
        .input(z.object({ size: z.number().int() }))
        .output(z.object({ text: z.string() }))
        .query(({ ctx, input }) => {
          ctx.answer.headers.ETag = '"long-1"';
          return { text: "a long text ".repeat(input.size) };
        }),
    },
    refusal: {
      limited: guestProcedure.meta({ rest: "GET /limited" }).query((): string => {
        throw new AppError("rate_limited", "too many of these", { retryAfterMs: 2_300 });
      }),
      away: guestProcedure.meta({ rest: "GET /away" }).query((): string => {
        throw new AppError("unavailable", "the database is away");
      }),
      forbidden: userProcedure
        .meta({ rest: "POST /forbidden/{id}" })
        .input(ById.extend({ text: z.string() }))
        .mutation((): string => {
          throw new AppError("forbidden", "this is not yours");
        }),
      unexpected: guestProcedure.meta({ rest: "GET /unexpected" }).query((): string => {
        failing += 1;
        throw new Error(`secret detail ${failing} of select * from users`);
      }),
      ownShape: guestProcedure.meta({ rest: "GET /own-shape" }).query(() => z.string().parse(7)),
    },
    twoInputs: guestProcedure
      .meta({ rest: "GET /two/{id}" })
      .input(ById)
      .input(z.object({ word: z.string().transform((word) => word.toUpperCase()) }))
      .query(({ input }) => input),
    waiting: guestProcedure
      .meta({ rest: "GET /waiting" })
      .input(z.object({ word: z.string().refine(async (word) => word !== "taken", "is taken") }))
      .query(({ input }) => input.word),
    foreign: guestProcedure
      .meta({ rest: "GET /foreign" })
      .use(async ({ next, ctx }) => {
        ctx.answer.headers["x-foreign"] = "walked";
        return next();
      })
      .query(() => "through the foreign middleware"),
    nothing: guestProcedure.query((): undefined => undefined),
    ticks: guestProcedure
      .input(z.object({ to: z.number(), lastEventId: z.string().optional() }))
      .subscription(async function* ({ input }) {
        for (let n = Number(input.lastEventId ?? 0) + 1; n <= input.to; n++) yield tracked(String(n), { n });
      }),
    endless: guestProcedure.subscription(async function* ({ signal }) {
      try {
        yield tracked("1", { n: 1 });
        await new Promise((_resolve, reject) => signal?.addEventListener("abort", reject));
      } finally {
        departures.emit("left", "sample.endless");
      }
    }),
    slow: guestProcedure.meta({ rest: "GET /slow" }).query(async ({ signal }): Promise<undefined> => {
      departures.emit("left", "nobody yet");
      await new Promise((resolve) => signal?.addEventListener("abort", resolve));
      departures.emit("left", "sample.slow");
    }),
    role: operatorProcedure
      .meta({ rest: "POST /role", role: "admin" })
      .input(z.object({ reason: z.string() }))
      .mutation(() => ({ ok: true })),
  },
});
export type SampleRouter = typeof sampleRouter;

const actors: Record<string, Actor> = {
  "Bearer user": { kind: "user", id: "u1", sessionId: "s1" },
  "Bearer viewer": { kind: "operator", id: "o1", name: "viewer", role: "viewer" },
};

export const throughGateway: Stage = (_call, next) => next();

const dependencies = createDependencies({
  log: createLogger({ name: "sample", level: "silent" }),
  forced: () => undefined,
});

/** Says who calls by two fixed tokens; has none of the engines that a real ctx has. */
export function createSampleCtx(gateway: Stage = throughGateway) {
  return ({ headers, id, address }: Asked): Ctx => {
    const { authorization } = headers;
    const actor = authorization === undefined ? { kind: "guest" as const } : actors[authorization];
    if (!actor) throw new AppError("unauthorized", "this token is not valid");
    return {
      gateway,
      actor,
      requestId: id,
      traceparent: "",
      variant: "stable",
      address,
      userAgent: "",
      ifMatch: headers["if-match"],
      answer: { headers: {} },
      dependencies,
    } as Partial<Ctx> as Ctx;
  };
}

export async function createSampleApp(
  options: {
    gateway?: Stage;
    lines?: string[];
    patience?: Parameters<typeof serverOptions>[0];
    /** Told of each request that Fastify is given. */
    onLong?: (url: string) => void;
  } = {},
): Promise<FastifyInstance> {
  const { gateway, lines = [], patience, onLong } = options;
  const log = createLogger({ name: "sample", destination: { write: (line) => void lines.push(line) } });
  const app = fastify(serverOptions(patience));
  prepareServer(app, { log, doors: { rest: ["/v1"], trpc: "/trpc" } });
  if (onLong)
    app.addHook("onRequest", (request, _reply, done) => {
      onLong(request.url);
      done();
    });
  mountProcedures(app, {
    router: sampleRouter,
    createCtx: createSampleCtx(gateway),
    log,
    trpcPrefix: "/trpc",
    versions: [{ name: "v1", prefix: "/v1" }],
  });
  await app.ready();
  return app;
}
