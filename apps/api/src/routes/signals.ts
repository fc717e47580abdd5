// The golden signals as server-sent events, for scripts and for the console's live pages.

import { AppError } from "@signalbox/core/errors";
import { streamGolden } from "@signalbox/modules/control";
import { GoldenQuery } from "@signalbox/modules/control/schema";
import type { Ctx, Deps } from "@signalbox/modules/ctx";
import { invalid } from "@signalbox/modules/trpc";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Asked } from "../adapter/exchange.ts";

export function signalRoutes(
  app: FastifyInstance,
  deps: Deps,
  createCtx: (request: Asked) => Promise<Ctx>,
): void {
  async function admit(request: FastifyRequest) {
    const { actor } = await createCtx(request);
    if (actor.kind !== "operator")
      throw new AppError("unauthorized", "this needs an operator's token or session");
  }

  app.get("/operator/v1/signals/stream", { onRequest: admit }, async (request, reply) => {
    const query = GoldenQuery.safeParse(request.query);
    if (!query.success) throw invalid(query.error);
    const left = new AbortController();
    reply.hijack();
    const { raw } = reply;
    raw.on("close", () => left.abort());
    raw.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      "x-request-id": request.id,
    });
    const send = async (text: string) => {
      // A reader that is slower than the signals gets the next reading, not a growing queue of old ones.
      if (!raw.write(text)) await new Promise((resolve) => raw.once("drain", resolve).once("close", resolve));
    };
    await streamGolden(deps, query.data, send, left.signal).catch((error) =>
      deps.log.warn({ error, requestId: request.id }, "a stream of signals ended early"),
    );
    raw.end();
  });
}
