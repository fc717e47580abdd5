// Health for balancers and people, on both ports; the deep form and metrics on the operators' port alone.

import type { Health } from "@signalbox/core/health";
import type { FastifyInstance, FastifyReply } from "fastify";

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
