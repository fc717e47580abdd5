// Counts every request by its address at the door, those for nothing that exists included.

import { createEdge, type Edge, type Passage } from "@signalbox/gateway/edge";
import type { Toll } from "@signalbox/gateway/pipeline";
import type { Deps } from "@signalbox/modules/ctx";
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from "fastify";

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
): Edge & { hook: onRequestHookHandler } {
  const edge = createEdge(deps);
  app.decorateRequest("toll", null);

  function settle(
    request: FastifyRequest,
    reply: FastifyReply,
    passage: Passage,
    done: (error?: Error) => void,
  ) {
    if (passage === undefined) return done();
    if ("toll" in passage) {
      request.toll = passage.toll;
      return done();
    }
    reply.headers(passage.headers);
    done(passage.refused);
  }

  return {
    ...edge,
    hook(request, reply, done) {
      if (free.has(request.url)) return done();
      const passage = edge.pass(request.address);
      if (passage instanceof Promise) passage.then((settled) => settle(request, reply, settled, done), done);
      else settle(request, reply, passage, done);
    },
  };
}
