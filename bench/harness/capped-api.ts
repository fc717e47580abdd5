// A front door of the platform as it is, but with procedures that each hold a connection for a while: capped by its pool, whatever
// the product's own reads find in a cache.

import Fastify from "fastify";
import { mountProcedures } from "../../apps/api/src/adapter/mount.ts";
import { prepareServer, serverOptions } from "../../apps/api/src/adapter/server.ts";
import { createPublicCtx } from "../../apps/api/src/context.ts";
import { createGuard } from "../../apps/api/src/guard.ts";
import { readConfig } from "../../packages/core/src/config.ts";
import { createLogger } from "../../packages/core/src/log.ts";
import { createShutdown } from "../../packages/core/src/shutdown.ts";
import type { Ctx } from "../../packages/modules/src/ctx.ts";
import { openDeps } from "../../packages/modules/src/deps.ts";
import { createRouter, guestProcedure } from "../../packages/modules/src/trpc.ts";

const holdSeconds = 0.01;

const hold = async ({ ctx }: { ctx: Ctx }) => {
  await ctx.sql`select pg_sleep(${holdSeconds})`;
  return { held: holdSeconds };
};
const router = createRouter({
  capped: {
    critical: guestProcedure.meta({ rest: "GET /critical", priority: "critical" }).query(hold),
    normal: guestProcedure.meta({ rest: "GET /normal" }).query(hold),
    background: guestProcedure.meta({ rest: "GET /background", priority: "background" }).query(hold),
  },
});

export async function serveCapped(): Promise<void> {
  const config = readConfig(process.env);
  const log = createLogger({ name: "capped", level: config.LOG_LEVEL });
  const deps = await openDeps(config, { log, shutdown: createShutdown(log), role: "all" });
  const app = Fastify(serverOptions());
  const guard = createGuard(app, deps);
  prepareServer(app, { log, doors: { rest: ["/v1"], trpc: "/trpc" }, guard: guard.gate });
  mountProcedures(app, {
    router,
    createCtx: createPublicCtx(deps, guard),
    log,
    trpcPrefix: "/trpc",
    versions: [{ name: "v1", prefix: "/v1" }],
  });
  await app.listen({ host: config.SIGNALBOX_HOST, port: config.SIGNALBOX_GATEWAY_PORT });
  process.send?.("ready");
}
