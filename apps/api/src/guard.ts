// Counts every request by its address at the door, those for nothing that exists included.

import { createEdge, type Edge, type Passage } from "@signalbox/gateway/edge";
import type { Toll } from "@signalbox/gateway/pipeline";
import type { Deps } from "@signalbox/modules/ctx";
import type { FastifyInstance } from "fastify";
import type { Asked, Gate, Reply } from "./adapter/exchange.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** What it paid at the edge. */
    toll: Toll | null;
  }
}

// Whoever watches over us may ask as often as it likes: behind a balancer all of that comes from one address.
const free = new Set(["/livez", "/readyz"]);

export function createGuard(
  app: FastifyInstance,
  deps: Pick<Deps, "live" | "limiter">,
): Edge & { gate: Gate } {
  const edge = createEdge(deps);
  app.decorateRequest("toll", null);

  function settle(request: Asked, reply: Reply, passage: Passage): Error | undefined {
    if (passage === undefined) return undefined;
    if ("toll" in passage) {
      request.toll = passage.toll;
      return undefined;
    }
    reply.headers(passage.headers);
    return passage.refused;
  }

  return {
    ...edge,
    gate(request, reply) {
      if (free.has(request.url)) return undefined;
      const passage = edge.pass(request.address);
      return passage instanceof Promise
        ? passage.then((settled) => settle(request, reply, settled))
        : settle(request, reply, passage);
    },
  };
}
