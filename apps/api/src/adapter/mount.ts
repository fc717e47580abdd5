// Every procedure, defined once, is mounted twice: as tRPC, with a short way for single calls, and as REST.

import { ConfigError } from "@signalbox/core/config";
import type { Logger } from "@signalbox/core/log";
import type { Ctx } from "@signalbox/modules/ctx";
import { refuseStranger } from "@signalbox/modules/trpc";
import type { AnyTRPCRouter } from "@trpc/server";
import type { FastifyInstance } from "fastify";
import { maxBodyBytes, refuseBody } from "./body.ts";
import type { Deprecation } from "./deprecation.ts";
import type { Admit, Authenticate } from "./door.ts";
import type { Asked } from "./exchange.ts";
import { readUtf8 } from "./json.ts";
import type { Answered } from "./official.ts";
import { readProcedures } from "./procedure.ts";
import { mountRest, type RestVersion } from "./rest-door.ts";
import { mountTrpc } from "./trpc-door.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Made before the body is read. */
    ctx: Ctx | null;
  }
}

export type MountOptions = {
  router: AnyTRPCRouter;
  /** Says who calls, from headers alone; throws AppError("unauthorized") for a token that is not good. */
  createCtx: (request: Asked) => Promise<Ctx> | Ctx;
  log: Logger;
  /** `/trpc` on the gateway, `/operator/trpc` on the operators' port. */
  trpcPrefix: string;
  /** Oldest first. */
  versions: RestVersion[];
  deprecations?: Deprecation[];
  title?: string;
  description?: string;
  version?: string;
  /** Where callers reach this, for the description. */
  publicUrl?: string;
};

export function mountProcedures(app: FastifyInstance, options: MountOptions): void {
  const { router, createCtx, log, trpcPrefix, versions, deprecations = [], ...about } = options;
  const { transformer } = router._def._config;
  if (transformer.output.serialize(router) !== router || transformer.input.deserialize(router) !== router)
    throw new Error(
      "mountProcedures: the router has a data transformer; JSON goes out as it is, so remove it",
    );

  const procedures = readProcedures(router);
  if (!app.hasRequestDecorator("ctx")) app.decorateRequest("ctx", null);

  const accept = (request: Asked, ctx: Ctx): Answered => {
    ctx.requestId = request.id;
    request.ctx = ctx;
    return { ctx };
  };

  /** The ctx, or what refused it. Without a promise where createCtx gives none. */
  const authenticate: Authenticate = (request) => {
    try {
      const made = createCtx(request);
      if (!(made instanceof Promise)) return accept(request, made);
      return made.then(
        (ctx) => accept(request, ctx),
        (refusal) => ({ refusal }),
      );
    } catch (refusal) {
      return { refusal };
    }
  };

  /** Who, then the size and kind of the body: all refusals that need no byte of it. */
  const admit: Admit = ({ meta }) => {
    const settle = (request: Asked, answered: Answered): Error | undefined =>
      "refusal" in answered
        ? (answered.refusal as Error)
        : (refuseStranger(answered.ctx, meta) ?? refuseBody(request));
    return (request) => {
      const answered = authenticate(request);
      return answered instanceof Promise
        ? answered.then((answered) => settle(request, answered))
        : settle(request, answered);
    };
  };

  app.register(async (scope) => {
    takeBodiesAsText(scope);
    mountTrpc(scope, { procedures, router, prefix: trpcPrefix, log, authenticate, admit });
  });
  for (const { version } of deprecations)
    if (!versions.some(({ name }) => name === version))
      throw new ConfigError(`SIGNALBOX_DEPRECATIONS: there is no version ${version} of the API.`);
  for (const [at, version] of versions.entries())
    app.register(async (scope) => {
      takeBodiesAsText(scope);
      const successor = versions[at + 1]?.prefix;
      mountRest(scope, { procedures, version, successor, deprecations, log, admit, about });
    });
}

function takeBodiesAsText(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  // Text, so that each door parses it once, as it needs it. Any type: what has a body of another was refused before.
  for (const type of ["application/json", "*"])
    scope.addContentTypeParser(
      type,
      { parseAs: "buffer", bodyLimit: maxBodyBytes },
      (_request, body, done) => {
        try {
          done(null, readUtf8(body as Buffer, "the body"));
        } catch (refusal) {
          done(refusal as Error);
        }
      },
    );
}
