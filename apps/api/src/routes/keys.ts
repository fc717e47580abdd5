// The public halves of the keys that sign access tokens, so that other services can verify them by themselves.

import { signingKeys } from "@signalbox/modules/auth";
import type { Deps } from "@signalbox/modules/ctx";
import type { FastifyInstance } from "fastify";

export function keyRoutes(app: FastifyInstance, deps: Deps): void {
  app.get("/.well-known/jwks.json", async (_request, reply) => {
    const { published } = await signingKeys(deps);
    return reply.header("cache-control", "public, max-age=300").send(published);
  });
}
