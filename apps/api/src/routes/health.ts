// Health for balancers and people, on both ports; the deep form and metrics on the operators' port alone.

import { AppError } from "@signalbox/core/errors";
import type { Health } from "@signalbox/core/health";
import { type Metrics, metricsContentType } from "@signalbox/core/metrics";
import type { Ctx, Deps } from "@signalbox/modules/ctx";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isForwarded } from "../adapter/caller-address.ts";
import type { Asked } from "../adapter/exchange.ts";
import { checkDeeply } from "./deep-check.ts";

const send = (reply: FastifyReply, report: { status: string }) =>
  reply
    .status(report.status === "fail" ? 503 : 200)
    .header("content-type", "application/health+json")
    .header("cache-control", "no-store")
    // A string would be given a charset, which this media type does not have.
    .send(Buffer.from(JSON.stringify(report)));

export function healthRoutes(app: FastifyInstance, health: Health): void {
  app.get("/livez", (_request, reply) => send(reply, health.live()));
  app.get("/readyz", async (_request, reply) => send(reply, await health.ready()));
}

type OperatorHealth = {
  deps: Deps;
  health: Health;
  metrics: Metrics;
  createCtx: (request: Asked) => Promise<Ctx>;
};

/** What tells more than a stranger should know: without a token from this machine itself, with one from elsewhere. */
export function operatorHealthRoutes(
  app: FastifyInstance,
  { deps, health, metrics, createCtx }: OperatorHealth,
): void {
  async function admitNear(request: FastifyRequest) {
    if (isLoopback(request.socket.remoteAddress) && !isForwarded(request)) return;
    const { actor } = await createCtx(request);
    if (actor.kind !== "operator")
      throw new AppError("unauthorized", "from another machine this needs an operator's token");
  }

  app.get("/healthz", { onRequest: admitNear }, async (request, reply) => {
    const deep = (request.query as { deep?: string }).deep === "1";
    return send(reply, deep ? await checkDeeply(deps, health) : await health.ready());
  });
  app.get("/metrics", { onRequest: admitNear }, (_request, reply) => {
    reply.header("content-type", metricsContentType).send(Buffer.from(metrics.text()));
  });
}

const isLoopback = (address = "") => /^(127\.|::1$|::ffff:127\.)/.test(address);
