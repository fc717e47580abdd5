// Every procedure, defined once, is mounted twice: as tRPC, with a short way for single calls, and as REST.

import { AppError } from "@signalbox/core/errors";
import type { Logger } from "@signalbox/core/log";
import type { Ctx } from "@signalbox/modules/ctx";
import { refuseStranger } from "@signalbox/modules/trpc";
import type { AnyTRPCRouter } from "@trpc/server";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isFresh, logFault, sendErrorShape, sendProblem, sendText } from "./answer.ts";
import { maxBodyBytes, refuseBody } from "./body.ts";
import { describe, type OpenApi } from "./describe.ts";
import { renderDocs } from "./docs-page.ts";
import { nameFault } from "./faults.ts";
import { parseJson, readUtf8 } from "./json.ts";
import { type Answered, copyAnswerHeaders, createOfficial } from "./official.ts";
import { type Procedure, readProcedures } from "./procedure.ts";
import { compileRestInput, type Texts } from "./rest-input.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Made before the body is read. */
    ctx: Ctx | null;
  }
}

export type MountOptions = {
  router: AnyTRPCRouter;
  /** Says who calls, from headers alone; throws AppError("unauthorized") for a token that is not good. */
  createCtx: (request: FastifyRequest) => Promise<Ctx> | Ctx;
  log: Logger;
  /** `/trpc` and `/v1` on the gateway, `/operator/trpc` and `/operator/v1` on the operators' port. */
  trpcPrefix?: string;
  restPrefix?: string;
  title?: string;
  description?: string;
  version?: string;
  /** Where callers reach this, for the description. */
  publicUrl?: string;
};

type Done = (error?: Error) => void;

export function mountProcedures(app: FastifyInstance, options: MountOptions): void {
  const { router, createCtx, log, trpcPrefix = "/trpc", restPrefix = "/v1" } = options;
  const { transformer } = router._def._config;
  if (transformer.output.serialize(router) !== router || transformer.input.deserialize(router) !== router)
    throw new Error(
      "mountProcedures: the router has a data transformer; JSON goes out as it is, so remove it",
    );

  const procedures = readProcedures(router);
  if (!app.hasRequestDecorator("ctx")) app.decorateRequest("ctx", null);

  /** Calls back with the ctx, or with what refused it. Without a promise where createCtx gives none. */
  const authenticate = (request: FastifyRequest, then: (answered: Answered) => void) => {
    const accept = (ctx: Ctx) => {
      ctx.requestId = request.id;
      request.ctx = ctx;
      then({ ctx });
    };
    try {
      const made = createCtx(request);
      if (made instanceof Promise) made.then(accept, (refusal) => then({ refusal }));
      else accept(made);
    } catch (refusal) {
      then({ refusal });
    }
  };

  /** Who, then the size and kind of the body: all refusals that need no byte of it. */
  const onRequest = (procedure: Procedure) => (request: FastifyRequest, _reply: FastifyReply, done: Done) =>
    authenticate(request, (answered) => {
      if ("refusal" in answered) return done(answered.refusal as Error);
      done(refuseStranger(answered.ctx, procedure.meta) ?? refuseBody(request));
    });

  app.register(async (scope) => {
    takeBodiesAsText(scope);
    mountTrpc(scope, { procedures, router, prefix: trpcPrefix, log, authenticate, onRequest });
  });
  app.register(async (scope) => {
    takeBodiesAsText(scope);
    mountRest(scope, { procedures, prefix: restPrefix, log, onRequest });
    mountDescription(scope, restPrefix, () => describe(procedures, { ...options, prefix: restPrefix }));
  });
}

type Authenticate = (request: FastifyRequest, then: (answered: Answered) => void) => void;
type OnRequest = (procedure: Procedure) => (request: FastifyRequest, reply: FastifyReply, done: Done) => void;

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

/** Aborts when the caller leaves before the answer. */
const signalOf = (reply: FastifyReply) => () => {
  const controller = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
};

// ---- tRPC ----

function mountTrpc(
  scope: FastifyInstance,
  {
    procedures,
    router,
    prefix,
    log,
    authenticate,
    onRequest,
  }: {
    procedures: Procedure[];
    router: AnyTRPCRouter;
    prefix: string;
    log: Logger;
    authenticate: Authenticate;
    onRequest: OnRequest;
  },
): void {
  const official = createOfficial(router, log);
  const named = new Map(procedures.map((procedure) => [procedure.name, procedure]));

  /** Who, before the body; a call or batch that is refused whatever the body says leaves it unread. */
  const openOfficial = (path: string, request: FastifyRequest, reply: FastifyReply, done: Done) =>
    authenticate(request, (answered) => {
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
    });

  const refuse = (request: FastifyRequest, reply: FastifyReply, thrown: unknown, name: string) => {
    const error = nameFault(thrown);
    logFault(log, error, request.id, name);
    if (request.ctx) copyAnswerHeaders(request.ctx, (header, value) => reply.header(header, value));
    sendErrorShape(request, reply, error, name.includes(",") ? undefined : name);
  };

  for (const procedure of procedures) {
    if (procedure.kind === "subscription") continue;
    const { name } = procedure;
    const openSingle = onRequest(procedure);
    scope.route({
      // POST for a query too: clients choose it for long inputs.
      method: procedure.kind === "query" ? ["GET", "POST"] : "POST",
      url: `${prefix}/${name}`,
      onRequest: (request, reply, done) =>
        isForOfficial(request) ? openOfficial(name, request, reply, done) : openSingle(request, reply, done),
      errorHandler: (error, request, reply) => refuse(request, reply, error, name),
      handler(request, reply) {
        const ctx = request.ctx!;
        const raw = readTrpcInput(request);
        if (isForOfficial(request)) return official(request, reply, name, { ctx });
        procedure
          .call(ctx, raw, signalOf(reply))
          .then((data) => {
            const json = procedure.encode(data);
            copyAnswerHeaders(ctx, (header, value) => reply.header(header, value));
            reply.header("content-type", "application/json");
            sendText(request, reply, json === undefined ? '{"result":{}}' : `{"result":{"data":${json}}}`);
          })
          .catch((thrown: unknown) => refuse(request, reply, thrown, name));
      },
    });
  }

  // Several calls in one, streams, subscriptions, names and methods that do not exist.
  const pathOf = (request: FastifyRequest) => (request.params as { "*": string })["*"];
  scope.all(
    `${prefix}/*`,
    {
      onRequest: (request, reply, done) => openOfficial(pathOf(request), request, reply, done),
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

// ---- REST ----

function mountRest(
  scope: FastifyInstance,
  {
    procedures,
    prefix,
    log,
    onRequest,
  }: { procedures: Procedure[]; prefix: string; log: Logger; onRequest: OnRequest },
): void {
  for (const procedure of procedures) {
    const { rest, status } = procedure.meta;
    if (!rest) continue;
    const [method = "", path = ""] = rest.split(" ");
    const readInput = compileRestInput(procedure.inputs);
    const refuse = (request: FastifyRequest, reply: FastifyReply, thrown: unknown) => {
      const error = nameFault(thrown);
      logFault(log, error, request.id, procedure.name);
      if (request.ctx) reply.headers(request.ctx.answer.headers);
      sendProblem(request, reply, error);
    };
    scope.route({
      method,
      url: prefix + path.replace(/\{(\w+)\}/g, ":$1"),
      onRequest: onRequest(procedure),
      errorHandler: (error, request, reply) => refuse(request, reply, error),
      handler(request, reply) {
        const ctx = request.ctx!;
        const raw = readInput(
          request.params as Texts,
          request.query as Texts,
          request.body as string | undefined,
        );
        procedure
          .call(ctx, raw, signalOf(reply))
          .then((data) => sendData(request, reply, ctx, status, procedure.encode(data)))
          .catch((thrown: unknown) => refuse(request, reply, thrown));
      },
    });
  }
}

function sendData(
  request: FastifyRequest,
  reply: FastifyReply,
  { answer }: Ctx,
  status: number | undefined,
  json: string | undefined,
): void {
  const code = answer.status ?? status ?? 200;
  let etag: string | undefined;
  for (const name in answer.headers) {
    const value = answer.headers[name]!;
    if (name.toLowerCase() === "etag") etag = value;
    reply.header(name, value);
  }
  if (
    etag !== undefined &&
    (request.method === "GET" || request.method === "HEAD") &&
    isFresh(request.headers["if-none-match"], etag)
  ) {
    reply.code(304).send();
    return;
  }
  if (json === undefined || code === 204) {
    reply.code(code === 200 ? 204 : code).send();
    return;
  }
  reply.code(code).header("content-type", "application/json; charset=utf-8");
  sendText(request, reply, json);
}

function mountDescription(scope: FastifyInstance, prefix: string, make: () => OpenApi): void {
  let made: { document: string; page: ReturnType<typeof renderDocs> } | undefined;
  const once = () => {
    if (!made) {
      const document = make();
      made = { document: JSON.stringify(document), page: renderDocs(document, `${prefix}/openapi.json`) };
    }
    return made;
  };
  scope.get(`${prefix}/openapi.json`, (request, reply) => {
    reply.header("content-type", "application/json; charset=utf-8");
    sendText(request, reply, once().document);
  });
  scope.get(`${prefix}/docs`, (request, reply) => {
    const { html, contentSecurityPolicy } = once().page;
    reply.headers({
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": contentSecurityPolicy,
    });
    sendText(request, reply, html);
  });
}
