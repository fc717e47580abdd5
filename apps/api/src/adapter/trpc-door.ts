// The tRPC door: single calls take a short way, everything else goes to tRPC's own handler.

import { AppError } from "@signalbox/core/errors";
import type { Logger } from "@signalbox/core/log";
import type { Ctx } from "@signalbox/modules/ctx";
import { refuseStranger } from "@signalbox/modules/trpc";
import type { AnyTRPCRouter } from "@trpc/server";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { logFault, sendErrorShape, sendText, setHeader } from "./answer.ts";
import { refuseBody } from "./body.ts";
import { signalOf } from "./departure.ts";
import type { Admit, Authenticate } from "./door.ts";
import { settle, toHook } from "./exchange.ts";
import { nameFault } from "./faults.ts";
import { parseJson } from "./json.ts";
import { type Answered, copyAnswerHeaders, createOfficial } from "./official.ts";
import type { Procedure } from "./procedure.ts";
import type { Texts } from "./rest-input.ts";

export function mountTrpc(
  scope: FastifyInstance,
  {
    procedures,
    router,
    prefix,
    log,
    authenticate,
    admit,
  }: {
    procedures: Procedure[];
    router: AnyTRPCRouter;
    prefix: string;
    log: Logger;
    authenticate: Authenticate;
    admit: Admit;
  },
): void {
  const official = createOfficial(router, log);
  const named = new Map(procedures.map((procedure) => [procedure.name, procedure]));

  /** Who, before the body; a call or batch that is refused whatever the body says leaves it unread. */
  const openOfficial = (
    path: string,
    request: FastifyRequest,
    reply: FastifyReply,
    done: (error?: Error) => void,
  ) => {
    const open = (answered: Answered) => {
      const isStranger = ({ ctx }: { ctx: Ctx }) =>
        path.split(",").every((name) => {
          const procedure = named.get(name);
          return procedure !== undefined && refuseStranger(ctx, procedure.meta) !== undefined;
        });
      if ("ctx" in answered && !isStranger(answered))
        return done(refuseBody(request) ?? refuseKey(request, path));
      // tRPC still writes one error a call; it must neither read the body nor stumble over its kind.
      request.body = "";
      if (request.method !== "GET") request.raw.headers["content-type"] = "application/json";
      official(request, reply, path, answered).catch(done);
    };
    settle(() => authenticate(request), open, done as (thrown: unknown) => void);
  };

  const refuse = (request: FastifyRequest, reply: FastifyReply, thrown: unknown, name: string) => {
    const error = nameFault(thrown);
    logFault(log, error, request.id, name);
    if (request.ctx) copyAnswerHeaders(request.ctx, (header, value) => setHeader(reply, header, value));
    sendErrorShape(request, reply, error, name.includes(",") ? undefined : name);
  };

  for (const procedure of procedures) {
    if (procedure.kind === "subscription") continue;
    const { name } = procedure;
    const openSingle = toHook(admit(procedure));
    scope.route({
      // POST for a query too: clients choose it for long inputs.
      method: procedure.kind === "query" ? ["GET", "POST"] : "POST",
      url: `${prefix}/${name}`,
      onRequest(request, reply, done) {
        if (isForOfficial(request)) openOfficial(name, request, reply, done);
        else openSingle.call(scope, request, reply, done);
      },
      errorHandler: (error, request, reply) => refuse(request, reply, error, name),
      handler(request, reply) {
        const ctx = request.ctx!;
        const raw = readTrpcInput(request);
        if (isForOfficial(request)) return official(request, reply, name, { ctx });
        settle(
          () => procedure.call(ctx, raw, signalOf(reply)),
          (data) => {
            const json = procedure.encode(data);
            copyAnswerHeaders(ctx, (header, value) => setHeader(reply, header, value));
            reply.header("content-type", "application/json");
            sendText(request, reply, json === undefined ? '{"result":{}}' : `{"result":{"data":${json}}}`);
          },
          (thrown) => refuse(request, reply, thrown, name),
        );
      },
    });
  }

  // Several calls in one, streams, subscriptions, names and methods that do not exist.
  const pathOf = (request: FastifyRequest) => (request.params as { "*": string })["*"];
  scope.all(
    `${prefix}/*`,
    {
      onRequest(request, reply, done) {
        if (request.method !== "OPTIONS") return openOfficial(pathOf(request), request, reply, done);
        reply.code(204).header("allow", "GET, POST").send();
      },
      errorHandler: (error, request, reply) => refuse(request, reply, error, pathOf(request)),
    },
    (request, reply) => {
      readTrpcInput(request);
      return official(request, reply, pathOf(request), { ctx: request.ctx! });
    },
  );
}

/** One key names one call; several calls in one would share it. */
function refuseKey({ headers }: FastifyRequest, path: string): AppError | undefined {
  if (headers["idempotency-key"] === undefined || !path.includes(",")) return undefined;
  const message = "names one call; send this one outside of a batch";
  return new AppError("invalid", `Idempotency-Key: ${message}`, {
    errors: [{ field: "Idempotency-Key", message }],
  });
}

/** Also asked before tRPC's handler reads the same text again: it would let a poisoned field through. */
function readTrpcInput(request: FastifyRequest): unknown {
  const text = request.method === "GET" ? (request.query as Texts).input : request.body;
  return typeof text === "string" && text !== "" ? parseJson(text, "the input") : undefined;
}

/** A batch, even of one, or a stream: told by the query and the Accept headers that tRPC's clients send. */
function isForOfficial({ query, headers }: FastifyRequest): boolean {
  return (
    (query as Texts).batch !== undefined ||
    headers["trpc-accept"] !== undefined ||
    headers.accept?.includes("application/jsonl") === true
  );
}
