// The switches for OpenFeature's clients: one, all, and a stream that says when to ask again. No procedures of ours, but the same door.

import { AppError } from "@signalbox/core/errors";
import { catalogue } from "@signalbox/modules";
import type { Ctx, Deps } from "@signalbox/modules/ctx";
import {
  evaluateAll,
  evaluateOne,
  markOf,
  type OfrepAnswer,
  openStreamToken,
  requireApplication,
  streamPath,
} from "@signalbox/modules/switches";
import { cross, enter } from "@signalbox/modules/trpc";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

// Whoever may read the flags may read them this way.
const name = "switches.flag.list";
const meta = { auth: "guest" } as const;
const maxStreams = 10_000;
const beatMs = 15_000;

type Options = { deps: Deps; createCtx: (request: FastifyRequest) => Promise<Ctx> | Ctx };

export function ofrepRoutes(app: FastifyInstance, { deps, createCtx }: Options): void {
  async function answer(request: FastifyRequest, reply: FastifyReply, work: (ctx: Ctx) => OfrepAnswer) {
    const ctx = await createCtx(keyFromBearer(request));
    const { status, body, headers } = await enter(ctx, name, meta, (ctx) => {
      requireApplication(ctx);
      return cross(ctx, { name, meta, type: "query", raw: () => request.body }, work);
    });
    reply.headers(ctx.answer.headers).headers(headers ?? {});
    return reply.code(status).send(body);
  }

  app.post("/ofrep/v1/evaluate/flags", (request, reply) =>
    answer(request, reply, (ctx) => {
      const stream = streamPath(deps.secret, requireApplication(ctx), ctx.now().getTime());
      return evaluateAll(ctx, catalogue(), request.body, request.headers["if-none-match"], stream);
    }),
  );
  app.post("/ofrep/v1/evaluate/flags/:key", (request, reply) =>
    answer(request, reply, (ctx) =>
      evaluateOne(ctx, catalogue(), (request.params as { key: string }).key, request.body),
    ),
  );

  const open = new Set<() => void>();
  app.addHook("preClose", async () => {
    for (const end of open) end();
  });

  app.get("/ofrep/v1/stream", (request, reply) => {
    const { token = "" } = request.query as { token?: string };
    const listener = openStreamToken(deps.secret, String(token), Date.now());
    if (open.size >= maxStreams)
      throw new AppError(
        "overloaded",
        "too many streams are open here; ask again from time to time instead",
        {
          retryAfterMs: 5_000 + Math.floor(Math.random() * 10_000),
        },
      );
    const { raw } = reply.hijack();
    const application = { ...listener, limit: undefined };
    raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    let mark = markOf(catalogue(), deps.live.rules(), application);
    const tell = () =>
      raw.write(`id: ${deps.live.revision}\ndata: ${JSON.stringify({ type: "refetchEvaluation" })}\n\n`);
    // Clients that lost us together come back apart.
    raw.write(`retry: ${1_000 + Math.floor(Math.random() * 4_000)}\n\n`);
    const seen = request.headers["last-event-id"];
    if (seen !== undefined && seen !== String(deps.live.revision)) tell();
    const stop = deps.live.onChange(() => {
      const now = markOf(catalogue(), deps.live.rules(), application);
      if (now === mark) return;
      mark = now;
      tell();
    });
    const beat = setInterval(() => raw.write(": still here\n\n"), beatMs);
    beat.unref();
    const end = () => {
      clearInterval(beat);
      stop();
      open.delete(end);
      raw.end();
    };
    open.add(end);
    raw.on("close", end);
  });
}

const keyForm = /^Bearer +(sba_\S+)$/i;

/** The protocol knows two places for a key. */
function keyFromBearer(request: FastifyRequest): FastifyRequest {
  const { headers } = request;
  const key = keyForm.exec(headers.authorization ?? "")?.[1];
  if (key !== undefined) {
    headers["x-api-key"] ??= key;
    delete headers.authorization;
  }
  return request;
}
