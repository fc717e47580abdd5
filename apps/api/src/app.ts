// The two ports of the front door, as a table of contents: what callers reach, and what operators reach.

import type { Health } from "@signalbox/core/health";
import { appRouter } from "@signalbox/modules";
import { operatorRouter } from "@signalbox/modules/control";
import type { Deps } from "@signalbox/modules/ctx";
import Fastify, { type FastifyInstance } from "fastify";
import { mountProcedures } from "./adapter/mount.ts";
import { prepareServer, serverOptions } from "./adapter/server.ts";
import { createOperatorCtx, createPublicCtx } from "./context.ts";
import { healthRoutes } from "./routes/health.ts";
import { keyRoutes } from "./routes/keys.ts";

export function createGatewayApp(deps: Deps, health: Health): FastifyInstance {
  const app = Fastify(serverOptions());
  const doors = { restPrefix: "/v1", trpcPrefix: "/trpc" };
  prepareServer(app, { log: deps.log, doors });
  mountProcedures(app, {
    router: appRouter,
    createCtx: createPublicCtx(deps),
    log: deps.log,
    ...doors,
    title: "Signalbox",
    version: deps.instance.version,
    publicUrl: deps.publicUrl,
  });
  keyRoutes(app, deps);
  healthRoutes(app, health);
  return app;
}

export function createOperatorApp(
  deps: Deps,
  health: Health,
  operatorToken: string | undefined,
): FastifyInstance {
  const app = Fastify(serverOptions());
  const doors = { restPrefix: "/operator/v1", trpcPrefix: "/operator/trpc" };
  prepareServer(app, { log: deps.log, doors });
  mountProcedures(app, {
    router: operatorRouter,
    createCtx: createOperatorCtx(deps, operatorToken),
    log: deps.log,
    ...doors,
    title: "Signalbox for operators",
    version: deps.instance.version,
  });
  healthRoutes(app, health);
  return app;
}
