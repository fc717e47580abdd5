// Batches, streams, subscriptions and everything unusual go to tRPC's own handler, which knows its clients best.

import type { Logger } from "@signalbox/core/log";
import type { Ctx } from "@signalbox/modules/ctx";
import { nameError } from "@signalbox/modules/trpc";
import type { AnyTRPCRouter } from "@trpc/server";
import { incomingMessageToRequest } from "@trpc/server/adapters/node-http";
import { resolveResponse } from "@trpc/server/http";
import type { FastifyReply, FastifyRequest } from "fastify";
import { logFault, refusalHeaders, sendText, setHeader, triedToken } from "./answer.ts";
import { letBeSilent } from "./quiet.ts";

/** One request may hold so many calls; each passes the gateway by itself. */
const maxBatchSize = 100;

export type Answered = { ctx: Ctx } | { refusal: unknown };

export function createOfficial(router: AnyTRPCRouter, log: Logger) {
  const { _config: config } = router._def;

  return async (
    request: FastifyRequest,
    reply: FastifyReply,
    path: string,
    answered: Answered,
  ): Promise<unknown> => {
    const known = { requestId: request.id } as Ctx;
    const named = {
      ...router,
      _def: {
        ...router._def,
        _config: {
          ...config,
          // tRPC has no ctx where it fails before making one; the request has its id all the same.
          errorFormatter: (options: Parameters<typeof config.errorFormatter>[0]) =>
            config.errorFormatter({ ...options, ctx: options.ctx ?? known }),
        },
      },
    } as AnyTRPCRouter;

    // Fastify has read the body by now; tRPC takes it from here instead of from the socket.
    const raw = Object.assign(request.raw, { body: request.body as string | undefined });
    const response = await resolveResponse({
      router: named,
      req: incomingMessageToRequest(raw, reply.raw, { maxBodySize: null }),
      error: null,
      path,
      maxBatchSize,
      allowMethodOverride: true,
      createContext: async () => {
        if ("refusal" in answered) throw answered.refusal;
        return answered.ctx;
      },
      onError: ({ error, path: call }) => logFault(log, nameError(error), request.id, call ?? path),
      responseMeta({ errors, eagerGeneration }) {
        const headers = new Headers();
        if ("ctx" in answered) copyAnswerHeaders(answered.ctx, (name, value) => headers.set(name, value));
        if (eagerGeneration) return { headers };
        for (const error of errors)
          for (const [name, value] of Object.entries(refusalHeaders(nameError(error), triedToken(request))))
            headers.set(name, value);
        if (errors.length === 1 && errors[0]!.code === "METHOD_NOT_SUPPORTED")
          headers.set("allow", request.method === "GET" ? "POST" : "GET, POST");
        return { headers };
      },
    });

    const kind = response.headers.get("transfer-encoding") ?? response.headers.get("content-type");
    if (kind === "chunked" || kind === "text/event-stream") {
      letBeSilent(reply.raw);
      return reply.send(response);
    }
    reply.code(response.status);
    for (const [name, value] of response.headers) setHeader(reply, name, value);
    sendText(request, reply, await response.text());
    // Settles when the answer is out, which compression may do later.
    return reply;
  };
}

/** A version or a place belongs to one REST resource; under tRPC they would speak of the whole batch. */
export function copyAnswerHeaders(ctx: Ctx, set: (name: string, value: string) => void): void {
  for (const [name, value] of Object.entries(ctx.answer.headers))
    if (!/^(etag|(content-)?location|last-modified)$/i.test(name)) set(name, value);
}
