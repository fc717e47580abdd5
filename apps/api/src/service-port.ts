// The port on which gateways call the modules that run here. Plain node:http, because every call through a gateway pays for it
// twice; only calls that another process of this install has signed are let in.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { AppError } from "@signalbox/core/errors";
import type { Health, HealthReport } from "@signalbox/core/health";
import { childOf, formatTraceparent, readTraceparent } from "@signalbox/core/trace-context";
import { createCallPass, passHeader } from "@signalbox/gateway/upstreams/call-pass";
import { answerHeader, leavingHeader, notRunHeader } from "@signalbox/gateway/upstreams/peer";
import { appRouter } from "@signalbox/modules";
import type { Ctx, Deps } from "@signalbox/modules/ctx";
import { type Arrived, type ForeignError, tell } from "@signalbox/modules/elsewhere";
import { nameError, serviceOf } from "@signalbox/modules/trpc";
import { logFault } from "./adapter/answer.ts";
import { signalOf } from "./adapter/departure.ts";
import { readProcedures } from "./adapter/procedure.ts";

export type ServicePort = {
  listen(at: { host: string; port: number }): Promise<void>;
  /** Goes on answering, and says with each answer that no more should come. */
  leave(): void;
  /** Ends when the last answer is out. */
  close(): Promise<void>;
};

type Verb = (ctx: Ctx, raw: unknown, signal: () => AbortSignal) => Promise<string | undefined>;

/** A body of the public port is at most 1 MiB; written anew as JSON it may grow. */
const maxBodyBytes = 8 * 1_048_576;
const longestMs = 60_000;

export function createServicePort(
  deps: Deps,
  { services, health, metrics }: { services: string[]; health: Health; metrics: () => string },
): ServicePort {
  const { log } = deps;
  const pass = createCallPass(deps.secret);
  const verbs = readVerbs(services);
  let isLeaving = false;

  const server = createServer((request, response) => {
    const { method, url = "" } = request;
    if (method === "POST" && url.startsWith("/call/")) call(url.slice(6), request, response);
    else void look(url, response);
  });
  // Longer than gateways keep theirs, so that they close first.
  server.keepAliveTimeout = 75_000;
  server.requestTimeout = longestMs;

  function call(name: string, request: IncomingMessage, response: ServerResponse): void {
    const verb = verbs.get(name);
    const arrived = pass.open(name, request.headers[passHeader] as string | undefined) as Arrived | undefined;
    if (!arrived) {
      refuse(response, "unauthorized", "this port takes calls of this install's gateways only");
      return;
    }
    if (!verb) {
      refuse(response, "unavailable", `${services.join(", ")} runs here, and not ${name}`);
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBodyBytes) request.destroy();
      chunks.push(chunk);
    });
    request.on("end", () => {
      const ctx = toCtx(deps, arrived);
      ctx.peer = request.socket;
      const text = Buffer.concat(chunks).toString();
      verb(ctx, text === "" ? undefined : JSON.parse(text), signalOf({ raw: response })).then(
        (data) => answer(response, 200, data, ctx),
        (thrown) => {
          const error = nameError(thrown);
          logFault(log, error, ctx.requestId, name);
          answer(response, error.status, JSON.stringify(describe(error)), ctx);
        },
      );
    });
  }

  function answer(response: ServerResponse, status: number, data: string | undefined, ctx: Ctx): void {
    const told = tell(ctx.answer);
    const headers = [
      "content-type",
      "application/json",
      "content-length",
      String(Buffer.byteLength(data ?? "")),
    ];
    if (told !== undefined) headers.push(answerHeader, told);
    if (isLeaving) headers.push(leavingHeader, "1", "connection", "close");
    response.writeHead(status, headers).end(data);
  }

  /** Nothing was done, so that a gateway may ask another instance. */
  function refuse(response: ServerResponse, code: "unavailable" | "unauthorized", detail: string): void {
    const error = new AppError(code, detail);
    response.writeHead(error.status, {
      "content-type": "application/json",
      [notRunHeader]: detail,
      // The body was not read.
      connection: "close",
    });
    response.end(JSON.stringify(describe(error)));
  }

  async function look(url: string, response: ServerResponse): Promise<void> {
    const send = (report: HealthReport) =>
      response
        .writeHead(report.status === "fail" ? 503 : 200, {
          "content-type": "application/health+json",
          "cache-control": "no-store",
        })
        .end(JSON.stringify(report));
    if (url === "/livez") send(health.live());
    else if (url === "/readyz") send(await health.ready());
    else if (url === "/metrics" && isLoopback((response.socket as Socket).remoteAddress))
      response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(metrics());
    else response.writeHead(404).end();
  }

  return {
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, host, () => resolve());
      }),
    leave() {
      isLeaving = true;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

function readVerbs(services: string[]): Map<string, Verb> {
  return new Map<string, Verb>(
    readProcedures(appRouter)
      .filter(({ name, kind }) => services.includes(serviceOf(name)) && kind !== "subscription")
      .map(({ name, call, encode }) => [
        name,
        async (ctx, raw, signal) => encode(await call(ctx, raw, signal)),
      ]),
  );
}

/** The gateway's span is the parent of ours. */
function toCtx(deps: Deps, arrived: Arrived): Ctx {
  const parent = readTraceparent(arrived.traceparent);
  return {
    ...deps,
    ...arrived,
    traceparent: formatTraceparent(childOf(parent)),
    ...(parent ? { parentSpanId: parent.spanId } : {}),
    answer: { headers: {} },
  } as Ctx;
}

const describe = ({ code, message, errors, retryAfterMs }: AppError): ForeignError => ({
  code,
  detail: message,
  ...(errors ? { errors } : {}),
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

const isLoopback = (address = "") => /^(127\.|::1$|::ffff:127\.)/.test(address);
