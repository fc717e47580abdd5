// The two ports of the front door, as a table of contents: what callers reach, and what operators reach.

import type { Config } from "@signalbox/core/config";
import type { Health } from "@signalbox/core/health";
import type { Metrics } from "@signalbox/core/metrics";
import { appRouter } from "@signalbox/modules";
import { createOriginReader } from "@signalbox/modules/auth";
import { operatorRouter } from "@signalbox/modules/control";
import type { Deps } from "@signalbox/modules/ctx";
import { versions } from "@signalbox/modules/versions";
import Fastify, { type FastifyInstance } from "fastify";
import { trustProxies } from "./adapter/caller-address.ts";
import type { AllowOrigin } from "./adapter/cors.ts";
import { mountProcedures } from "./adapter/mount.ts";
import { prepareServer, serverOptions } from "./adapter/server.ts";
import { createOperatorCtx, createPublicCtx } from "./context.ts";
import { createGuard } from "./guard.ts";
import { archiveRoutes } from "./routes/archives.ts";
import { healthRoutes, operatorHealthRoutes } from "./routes/health.ts";
import { keyRoutes } from "./routes/keys.ts";
import { liveRoutes } from "./routes/live.ts";
import { ofrepRoutes } from "./routes/ofrep.ts";
import { signalRoutes } from "./routes/signals.ts";

/** How the outside reaches this; what is absent is the safest. */
type Edge = Partial<
  Pick<Config, "SIGNALBOX_DEPRECATIONS" | "SIGNALBOX_TRUSTED_PROXIES" | "SIGNALBOX_CORS_ORIGINS">
>;

export function createGatewayApp(deps: Deps, health: Health, edge: Edge = {}): FastifyInstance {
  const app = Fastify(serverOptions());
  const guard = createGuard(app, deps);
  const createCtx = createPublicCtx(deps, guard);
  const mounted = versions.map((version) => ({ ...version, prefix: `/${version.name}` }));
  const prefixes = mounted.map(({ prefix }) => prefix);
  prepareServer(app, {
    log: deps.log,
    doors: { rest: prefixes, trpc: "/trpc" },
    publicUrl: deps.publicUrl,
    trust: trustProxies(edge.SIGNALBOX_TRUSTED_PROXIES ?? []),
    cors: originsOf(deps, edge),
    guard: guard.gate,
  });
  mountProcedures(app, {
    router: appRouter,
    createCtx,
    log: deps.log,
    trpcPrefix: "/trpc",
    versions: mounted,
    deprecations: edge.SIGNALBOX_DEPRECATIONS ?? [],
    title: "Signalbox",
    version: deps.instance.version,
    publicUrl: deps.publicUrl,
  });
  for (const prefix of prefixes)
    archiveRoutes(app, { path: `${prefix}/me/export/:id/archive`, auth: "user", createCtx });
  if (deps.streams) for (const { prefix, shapes } of mounted) liveRoutes(app, { prefix, shapes, createCtx });
  keyRoutes(app, deps);
  ofrepRoutes(app, { deps, createCtx });
  healthRoutes(app, health);
  return app;
}

/** Pages of the origins in the configuration, and of those that an application in force names. */
function originsOf(deps: Deps, { SIGNALBOX_CORS_ORIGINS: configured = [] }: Edge): AllowOrigin {
  if (configured.includes("*")) return "*";
  const isNamed = createOriginReader(deps);
  return (origin) => configured.includes(origin) || isNamed(origin);
}

type OperatorParts = { health: Health; metrics: Metrics; operatorToken: string | undefined };

export function createOperatorApp(
  deps: Deps,
  { health, metrics, operatorToken }: OperatorParts,
  edge: Edge = {},
): FastifyInstance {
  const app = Fastify(serverOptions());
  // Nothing that an operator can switch off or limit may stand between him and the switch, his sign-in included.
  const createCtx = createOperatorCtx({ ...deps, gateway: (_call, next) => next() }, operatorToken);
  prepareServer(app, {
    log: deps.log,
    doors: { rest: ["/operator/v1"], trpc: "/operator/trpc" },
    trust: trustProxies(edge.SIGNALBOX_TRUSTED_PROXIES ?? []),
  });
  mountProcedures(app, {
    router: operatorRouter,
    createCtx,
    log: deps.log,
    trpcPrefix: "/operator/trpc",
    versions: [{ name: "v1", prefix: "/operator/v1" }],
    title: "Signalbox for operators",
    version: deps.instance.version,
  });
  archiveRoutes(app, { path: "/operator/v1/personal-requests/:id/archive", auth: "operator", createCtx });
  signalRoutes(app, deps, createCtx);
  healthRoutes(app, health);
  operatorHealthRoutes(app, { deps, health, metrics, createCtx });
  return app;
}
