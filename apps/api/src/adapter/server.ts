// The server below the doors: request ids, sane limits, and problem+json for every answer that no procedure gives.

import { type Server as HttpServer, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { AppError, type ErrorCode, toProblem } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import type { Logger } from "@signalbox/core/log";
import { acceptRequestId } from "@signalbox/core/trace-context";
import type { FastifyHttpOptions, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { logFault, refusalHeaders, sendProblem } from "./answer.ts";
import { maxBodyBytes } from "./body.ts";
import { nameFault } from "./faults.ts";

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
    clientErrorHandler,
    frameworkErrors(error, request, reply) {
      reply.header("x-request-id", request.id);
      sendProblem(request, reply, nameFault(error));
    },
  };
}

export type Doors = { restPrefix: string; trpcPrefix: string };

/** Call it before anything is mounted: its hook then stands first. */
export function prepareServer(app: FastifyInstance, { log, doors }: { log: Logger; doors: Doors }): void {
  app.addHook("onRequest", (request, reply, done) => {
    reply.header("x-request-id", request.id);
    if (request.headers.host === undefined && request.raw.httpVersion === "1.1")
      return done(new AppError("malformed", "an HTTP/1.1 request needs a Host header"));
    // Before Fastify would read, and perhaps refuse, the body of what does not exist.
    if (request.is404) return sendNotFound(app, request, reply, doors);
    done();
  });
  app.setErrorHandler((thrown, request, reply) => {
    const error = nameFault(thrown);
    logFault(log, error, request.id, request.routeOptions.url ?? request.url);
    sendProblem(request, reply, error);
  });
  app.setNotFoundHandler((request, reply) => sendNotFound(app, request, reply, doors));
}

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;

function sendNotFound(
  app: FastifyInstance,
  request: FastifyRequest,
  reply: FastifyReply,
  doors: Doors,
): void {
  const path = request.url.split("?", 1)[0] ?? "/";
  // The router is asked for every method only here, where a request has matched nothing.
  const allowed = methods.filter((method) => app.findRoute({ method, url: path }) !== null);
  if (allowed.length === 0) {
    sendProblem(request, reply, nothingHere(request.method, path, doors));
    return;
  }
  reply.header("allow", allowed.join(", "));
  if (request.method === "OPTIONS") {
    reply.code(204).send();
    return;
  }
  const detail = `${request.method} does not exist here; there is ${allowed.join(", ")}`;
  sendProblem(request, reply, new AppError("method_not_allowed", detail));
}

function nothingHere(method: string, path: string, { restPrefix, trpcPrefix }: Doors): AppError {
  return new AppError(
    "not_found",
    `there is no ${method} ${path}; this is ${restPrefix}, described at ${restPrefix}/docs and ` +
      `${restPrefix}/openapi.json, with the same procedures as tRPC under ${trpcPrefix}`,
  );
}

const clientFaults: Record<string, [ErrorCode, string]> = {
  HPE_HEADER_OVERFLOW: ["headers_too_large", "the request line and headers together are larger than 16 KiB"],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ["too_large", "the chunk extensions are too large"],
  ERR_HTTP_REQUEST_TIMEOUT: ["timeout", "the request did not arrive in time"],
};

/** Node could not read the request, so there is no reply object: the answer is written by hand. */
function clientErrorHandler(
  error: Error & { code?: string },
  socket: Socket & { _httpMessage?: { headersSent: boolean } },
) {
  // An answer that has begun cannot be replaced; bytes after it would be read as part of it.
  if (error.code === "ECONNRESET" || !socket.writable || socket._httpMessage?.headersSent) {
    socket.destroy();
    return;
  }
  const [code, detail] = clientFaults[error.code ?? ""] ?? [
    "malformed",
    "this is not an HTTP request that can be read",
  ];
  const refusal = new AppError(code as ErrorCode, detail);
  const requestId = newId();
  const body = JSON.stringify(toProblem(refusal, requestId));
  const headers = {
    "content-type": "application/problem+json",
    "content-length": Buffer.byteLength(body),
    "x-request-id": requestId,
    date: new Date().toUTCString(),
    connection: "close",
    ...refusalHeaders(refusal),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? "Error"}\r\n${lines.join("")}\r\n${body}`,
  );
}
