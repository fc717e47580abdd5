// The server below the doors: request ids, sane limits, and problem+json for every answer that no procedure gives.

import type { Server as HttpServer } from "node:http";
import { Readable } from "node:stream";
import { AppError } from "@signalbox/core/errors";
import type { Logger } from "@signalbox/core/log";
import { acceptRequestId, childOf, formatTraceparent, readTraceparent } from "@signalbox/core/trace-context";
import type { FastifyHttpOptions, FastifyInstance } from "fastify";
import { logFault, sendProblem } from "./answer.ts";
import { maxBodyBytes } from "./body.ts";
import { addressOf, type Trust } from "./caller-address.ts";
import { answerClientFault, refuseExpectation } from "./client-faults.ts";
import { type AllowOrigin, allowOrigins } from "./cors.ts";
import { type Asked, type Gate, type Reply, toHook } from "./exchange.ts";
import { nameFault } from "./faults.ts";
import { standing } from "./head.ts";
import { createNotFound, type Doors } from "./not-found.ts";
import { watchQuiet } from "./quiet.ts";
import { openShortWay } from "./short-way.ts";

/** How long a caller may take. Whoever is slower than this only holds a socket. */
const patience = {
  /** Until the headers are here. */
  headersMs: 15_000,
  /** Until the whole request is here. */
  requestMs: 60_000,
  /** Without a byte in either direction, as where an answer is not read. */
  stalledMs: 120_000,
  /** Between requests; longer than the balancers before us, so that they are the ones who close. */
  keepAliveMs: 72_000,
  checkEveryMs: 5_000,
};
const maxHeaderBytes = 16_384;

/** `Fastify(serverOptions())`: what must be said before the app exists. */
export function serverOptions(given: Partial<typeof patience> = {}): FastifyHttpOptions<HttpServer> {
  const { headersMs, requestMs, stalledMs, keepAliveMs, checkEveryMs } = { ...patience, ...given };
  return {
    logger: false,
    bodyLimit: maxBodyBytes,
    genReqId: ({ headers }) => acceptRequestId(headers["x-request-id"]),
    // Drafts and in-flight work finish; the balancer has been told by then.
    return503OnClosing: false,
    forceCloseConnections: "idle",
    keepAliveTimeout: keepAliveMs,
    requestTimeout: requestMs,
    connectionTimeout: stalledMs,
    routerOptions: { maxParamLength: 500 },
    // A missing Host is refused below, in our own words.
    http: {
      requireHostHeader: false,
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: headersMs,
      connectionsCheckingInterval: checkEveryMs,
      // What has no body is not made into a stream that is read to its end.
      optimizeEmptyRequests: true,
    },
    clientErrorHandler: answerClientFault,
    frameworkErrors(error, request, untyped) {
      const reply = untyped as unknown as Reply;
      stand(reply, overHttp);
      nameTrace(request, reply);
      sendProblem(request, reply, nameFault(error));
    },
  };
}

declare module "fastify" {
  interface FastifyRequest {
    /** Our span of this request, and the caller's where it sent one. */
    trace: { traceparent: string; parentSpanId?: string };
    /** Whom it counts for, after trusted proxies. */
    readonly address: string;
  }
}

// An API's answers are no pages: nothing in them is to be run, framed, embedded or kept by whoever carries them.
const noPage = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};
const overHttp = standing(noPage);
const overHttps = standing({ ...noPage, "strict-transport-security": "max-age=31536000" });

/** Whose answers may be kept says so. */
const stand = (reply: Reply, always: typeof overHttp) =>
  reply.headers(always).header("cache-control", "no-store");

type ServerSetting = {
  log: Logger;
  doors: Doors;
  /** Where callers reach this: over https they are told to stay there. */
  publicUrl?: string;
  /** Whose X-Forwarded-For is believed; absent: nobody's. */
  trust?: Trust;
  /** Absent: no page of another origin may call. */
  cors?: AllowOrigin;
  /** Stands before everything that costs something. */
  guard?: Gate;
};

/** Call it before anything is mounted: its gates then stand first. */
export function prepareServer(
  app: FastifyInstance,
  { log, doors, publicUrl = "", trust = () => false, cors, guard }: ServerSetting,
): void {
  const notFound = createNotFound(app, doors);
  const always = publicUrl.startsWith("https:") ? overHttps : overHttp;
  // Node would drop what is more than 2,000 without a word; their size is limited all the same.
  app.server.maxHeadersCount = 0;
  app.server.on("checkExpectation", refuseExpectation);
  app.decorateRequest("trace");
  app.decorateRequest("address", {
    getter() {
      return addressOf(this.raw, trust);
    },
  });
  const introduce: Gate = (request, reply) => {
    stand(reply, always);
    nameTrace(request, reply);
    return undefined;
  };
  const gates = [introduce, guard, cors && allowOrigins(cors), refuseHost].filter(
    (gate) => gate !== undefined,
  );
  for (const gate of gates) app.addHook("onRequest", toHook(gate));
  openShortWay(app, { gates, trust, keptMs: watchQuiet(app.server) });
  app.addHook("onRequest", (request, reply, done) => {
    // Before Fastify would read, and perhaps refuse, the body of what does not exist.
    if (request.is404) return notFound(request, reply);
    done();
  });
  // Of a type without a body Fastify would wait for the end, and that has been.
  app.addHook("preParsing", ({ headers }, _reply, body, done) =>
    done(null, headers["content-type"] !== undefined && body.readableEnded ? Readable.from([]) : body),
  );
  app.setErrorHandler((thrown, request, reply) => {
    const error = nameFault(thrown);
    logFault(log, error, request.id, request.routeOptions.url ?? request.url);
    sendProblem(request, reply, error);
  });
  app.setNotFoundHandler(notFound);
}

/** The two names under which everything that this request causes can be found. */
function nameTrace(request: Asked, reply: Reply): void {
  const parent = readTraceparent(request.headers.traceparent as string | undefined);
  const traceparent = formatTraceparent(childOf(parent));
  request.trace = parent ? { traceparent, parentSpanId: parent.spanId } : { traceparent };
  reply.header("x-request-id", request.id).header("traceparent", traceparent);
}

function refuseHost({ raw: { rawHeaders, httpVersion } }: Asked): AppError | undefined {
  const hosts = countHosts(rawHeaders);
  if (hosts > 1 || (hosts === 0 && httpVersion === "1.1"))
    return new AppError("malformed", "an HTTP/1.1 request needs one Host header");
  if (httpVersion === "0.9") return new AppError("malformed", "the request line names no HTTP version");
  return undefined;
}

/** Node keeps the first of several; who stands before us may have gone by another. */
function countHosts(rawHeaders: string[]): number {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    if (name.length === 4 && name.toLowerCase() === "host") hosts += 1;
  }
  return hosts;
}
