// The port on which gateways call the modules that run here. A gateway shows once that it is of this install, and then sends
// calls as frames; health is plain HTTP on the same port.

import { createServer, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { AppError } from "@signalbox/core/errors";
import type { Health, HealthReport } from "@signalbox/core/health";
import { childOf, formatTraceparent, readTraceparent } from "@signalbox/core/trace-context";
import { createCallPass, passHeader } from "@signalbox/gateway/upstreams/call-pass";
import { type Frame, kinds, openLine, pack, unpack } from "@signalbox/gateway/upstreams/frames";
import { tooBusy } from "@signalbox/gateway/upstreams/index";
import { callsPath, callsProtocol, notRun } from "@signalbox/gateway/upstreams/peer";
import { appRouter } from "@signalbox/modules";
import type { Ctx, Deps } from "@signalbox/modules/ctx";
import { type Arrived, type ForeignError, tell } from "@signalbox/modules/elsewhere";
import { nameError, serviceOf } from "@signalbox/modules/trpc";
import { logFault } from "./adapter/answer.ts";
import { type Procedure, readProcedures } from "./adapter/procedure.ts";

export type ServicePort = {
  listen(at: { host: string; port: number }): Promise<void>;
  /** Goes on answering, and tells all gateways that no more should come. */
  leave(): void;
  /** Ends when the last answer is out. */
  close(): Promise<void>;
};

/** What the verb looks at to know whether its caller still waits. */
type Call = { peer: { destroyed: boolean }; began: boolean; controller?: AbortController };

export function createServicePort(
  deps: Deps,
  { services, health, metrics }: { services: string[]; health: Health; metrics: () => string },
): ServicePort {
  const { log } = deps;
  const pass = createCallPass(deps.secret);
  const procedures = new Map(
    readProcedures(appRouter)
      .filter(({ name, kind }) => services.includes(serviceOf(name)) && kind !== "subscription")
      .map((procedure) => [procedure.name, procedure]),
  );
  const sockets = new Set<Socket>();
  const leavers = new Set<() => void>();
  let underWay = 0;
  let isLeaving = false;
  let whenIdle: () => void = () => {};

  const server = createServer((request, response) => void look(request.url ?? "", response));
  server.on("upgrade", (request, socket: Socket, first: Buffer) => {
    socket.on("error", () => {});
    if (request.url !== callsPath || !pass.accept(request.headers[passHeader] as string | undefined)) {
      const why = "This port takes calls of this install's gateways only.\n";
      socket.end(
        `HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${why.length}\r\n\r\n${why}`,
      );
      return;
    }
    socket.setNoDelay(true).setTimeout(0);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${callsProtocol}\r\n\r\n`,
    );
    take(socket, first);
  });

  function take(socket: Socket, first: Buffer): void {
    const calls = new Map<number, Call>();
    const line = openLine(
      socket,
      ({ id, kind, payload }) => {
        if (kind === kinds.cancel) cancel(calls.get(id));
        else if (kind === kinds.call) run(id, payload);
      },
      first,
    );
    const sayLeaving = () => line.send(pack({ id: 0, kind: kinds.leaving, head: "", body: "" }));
    sockets.add(socket);
    leavers.add(sayLeaving);
    if (isLeaving) sayLeaving();
    socket.on("close", () => {
      sockets.delete(socket);
      leavers.delete(sayLeaving);
      for (const call of calls.values()) cancel(call);
    });

    function run(id: number, payload: Frame["payload"]): void {
      const { head, body } = unpack(payload);
      const cut = head.indexOf("\n");
      const name = head.slice(0, cut);
      const procedure = procedures.get(name);
      const answer = (code: number, told: string, text: string) =>
        line.send(pack({ id, kind: kinds.answer, code, head: told, body: text }));
      if (!procedure) {
        answer(notRun, `${services.join(", ")} runs there, and not ${name}`, "");
        return;
      }
      const call: Call = { peer: { destroyed: false }, began: false };
      calls.set(id, call);
      underWay += 1;
      const ctx = toCtx(deps, JSON.parse(head.slice(cut + 1)) as Arrived);
      ctx.peer = call.peer;
      ctx.gateway = (entered, next) =>
        deps.gateway(entered, () => {
          call.began = true;
          return next();
        });
      answerOf(procedure, ctx, call, body)
        .then(
          (text) => answer(200, tell(ctx.answer), text ?? ""),
          (thrown: unknown) => {
            const error = nameError(thrown);
            logFault(log, error, ctx.requestId, name);
            // Another instance may have room.
            if (error.code === "overloaded" && !call.began) answer(notRun, tooBusy, "");
            else answer(error.status, tell(ctx.answer), JSON.stringify(describe(error)));
          },
        )
        .finally(() => {
          calls.delete(id);
          underWay -= 1;
          if (underWay === 0) whenIdle();
        });
    }
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
    else if (url === "/metrics" && isLoopback(response.socket?.remoteAddress))
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
      for (const say of leavers) say();
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      if (underWay > 0)
        await new Promise<void>((resolve) => {
          whenIdle = resolve;
        });
      // The last answers are written at the end of this turn.
      await new Promise((resolve) => setImmediate(resolve));
      for (const socket of sockets) socket.end();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answerOf(
  procedure: Procedure,
  ctx: Ctx,
  call: Call,
  body: string,
): Promise<string | undefined> {
  const data = await procedure.call(ctx, body === "" ? undefined : JSON.parse(body), () => {
    call.controller ??= new AbortController();
    return call.controller.signal;
  });
  return procedure.encode(data);
}

function cancel(call: Call | undefined): void {
  if (!call) return;
  call.peer.destroyed = true;
  call.controller?.abort();
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
