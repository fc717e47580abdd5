// The server below the doors: request ids, sane limits, and problem+json for every answer that no procedure gives.

import type { Server as HttpServer } from "node:http";
import { AppError } from "@signalbox/core/errors";
import type { Logger } from "@signalbox/core/log";
import { acceptRequestId, childOf, formatTraceparent, readTraceparent } from "@signalbox/core/trace-context";
import type { FastifyHttpOptions, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { logFault, sendProblem } from "./answer.ts";
import { maxBodyBytes } from "./body.ts";
import { answerClientFault, refuseExpectation } from "./client-faults.ts";
import { nameFault } from "./faults.ts";
import { createNotFound, type Doors } from "./not-found.ts";

/** `Fastify(serverOptions())`: what must be said before the app exists. */
export function serverOptions(): FastifyHttpOptions<HttpServer> {
  return {
    logger: false,
    bodyLimit: maxBodyBytes,
    genReqId: ({ headers }) => acceptRequestId(headers["x-request-id"]),
    // Drafts and in-flight work finish; the balancer has been told by then.
    return503OnClosing: false,
    forceCloseConnections: "idle",
    keepAliveTimeout: 72_000,
    requestTimeout: 60_000,
    routerOptions: { maxParamLength: 500 },
    // A missing Host is refused below, in our own words.
    http: { requireHostHeader: false, headersTimeout: 15_000, connectionsCheckingInterval: 5_000 },
    clientErrorHandler: answerClientFault,
    frameworkErrors(error, request, reply) {
      nameTrace(request, reply);
      sendProblem(request, reply, nameFault(error));
    },
  };
}

declare module "fastify" {
  interface FastifyRequest {
    /** Our span of this request, and the caller's where it sent one. */
    trace: { traceparent: string; parentSpanId?: string };
  }
}

/** Call it before anything is mounted: its hook then stands first. */
export function prepareServer(app: FastifyInstance, { log, doors }: { log: Logger; doors: Doors }): void {
  const notFound = createNotFound(app, doors);
  app.decorateRequest("trace");
  app.server.on("checkExpectation", refuseExpectation);
  app.addHook("onRequest", (request, reply, done) => {
    nameTrace(request, reply);
    if (request.headers.host === undefined && request.raw.httpVersion === "1.1")
      return done(new AppError("malformed", "an HTTP/1.1 request needs a Host header"));
    // Before Fastify would read, and perhaps refuse, the body of what does not exist.
    if (request.is404) return notFound(request, reply);
    done();
  });
  app.setErrorHandler((thrown, request, reply) => {
    const error = nameFault(thrown);
    logFault(log, error, request.id, request.routeOptions.url ?? request.url);
    sendProblem(request, reply, error);
  });
  app.setNotFoundHandler(notFound);
}

/** The two names under which everything that this request causes can be found. */
function nameTrace(request: FastifyRequest, reply: FastifyReply): void {
  const parent = readTraceparent(request.headers.traceparent as string | undefined);
  const traceparent = formatTraceparent(childOf(parent));
  request.trace = parent ? { traceparent, parentSpanId: parent.spanId } : { traceparent };
  reply.header("x-request-id", request.id).header("traceparent", traceparent);
}
