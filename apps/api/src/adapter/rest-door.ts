// The REST door of one version: each procedure at its own address, in the version's shapes, and the description of them all.

import { ConfigError } from "@signalbox/core/config";
import type { Logger } from "@signalbox/core/log";
import type { Ctx } from "@signalbox/modules/ctx";
import { Foreign } from "@signalbox/modules/elsewhere";
import type { Shapes } from "@signalbox/modules/shapes";
import type { FastifyInstance } from "fastify";
import { isFresh, logFault, sendProblem, sendText, setHeader } from "./answer.ts";
import { signalOf } from "./departure.ts";
import { compileDeprecation, type Deprecation } from "./deprecation.ts";
import { describe, type OpenApi } from "./describe.ts";
import { renderDocs } from "./docs-page.ts";
import type { Admit } from "./door.ts";
import { type Asked, type Gate, type Reply, settle, toHook } from "./exchange.ts";
import { nameFault } from "./faults.ts";
import { compileOutput, type Encode } from "./output.ts";
import type { Procedure } from "./procedure.ts";
import { compileRestInput, type Texts } from "./rest-input.ts";

export type RestVersion = {
  /** `v1` in `/v1`; what a deprecation names. */
  name: string;
  prefix: string;
  /** What it shows differently from the procedures themselves. */
  shapes?: Shapes;
};

type Options = {
  procedures: Procedure[];
  version: RestVersion;
  /** The prefix of the version that comes after this one. */
  successor: string | undefined;
  deprecations: Deprecation[];
  log: Logger;
  admit: Admit;
  about: { title?: string; description?: string; version?: string; publicUrl?: string };
};

export function mountRest(scope: FastifyInstance, options: Options): void {
  const { version, successor, log, about } = options;
  const { prefix, shapes } = version;
  const deprecationOf = readDeprecations(options);
  const procedures = options.procedures.flatMap((procedure): Procedure[] =>
    procedure.meta.rest === undefined ? [] : [showAs(procedure, shapes)],
  );
  for (const procedure of procedures) {
    const [method = "", path = ""] = procedure.meta.rest!.split(" ");
    const { status } = procedure.meta;
    const readInput = compileRestInput(procedure.inputs);
    const deprecation = deprecationOf(procedure.name);
    const announce = deprecation && compileDeprecation(deprecation, { prefix, successor });
    const known = options.admit(procedure);
    const admit: Gate = announce
      ? (request, reply) => {
          announce(request, reply);
          return known(request, reply);
        }
      : known;
    const refuse = (request: Asked, reply: Reply, thrown: unknown) => {
      const error = nameFault(thrown);
      if (error.code === "queued" && request.ctx) {
        const { answer } = request.ctx;
        const id = (answer.headers.Location ?? "").split("/").at(-1);
        const json = JSON.stringify({ id, status: "queued", detail: error.message });
        return sendData(request, reply, { ctx: request.ctx, prefix, status: error.status, json });
      }
      logFault(log, error, request.id, procedure.name);
      for (const [name, value] of Object.entries(request.ctx?.answer.headers ?? {}))
        setHeader(reply, name, value);
      sendProblem(request, reply, error);
    };
    const answer = (request: Asked, reply: Reply, params: Texts, query: Texts, body?: string) => {
      const ctx = request.ctx!;
      settle(
        () => procedure.call(ctx, readInput(params, query, body), signalOf(reply)),
        (data) => sendData(request, reply, { ctx, prefix, status, json: procedure.encode(data) }),
        (thrown) => refuse(request, reply, thrown),
      );
    };
    const url = prefix + path.replace(/\{(\w+)\}/g, ":$1");
    scope.route({
      method,
      url,
      onRequest: toHook(admit),
      errorHandler: (error, request, reply) => refuse(request, reply, error),
      handler: (request, reply) =>
        answer(
          request,
          reply,
          request.params as Texts,
          request.query as Texts,
          request.body as string | undefined,
        ),
    });
    scope.shortWay.offer(method, url, { admit, answer, refuse });
  }
  const streams = options.procedures.filter(({ meta }) => meta.stream);
  mountDescription(scope, prefix, () =>
    describe([...procedures, ...streams], {
      ...about,
      prefix,
      isDeprecated: (name) => deprecationOf(name) !== undefined,
    }),
  );
}

/** The procedure as this version shows it. */
function showAs(procedure: Procedure, shapes: Shapes | undefined): Procedure {
  const shape = procedure.output && shapes?.get(procedure.output);
  if (!shape) return procedure;
  const encode = compileOutput(shape.output);
  const present: Encode = (data) =>
    encode(shape.present((data instanceof Foreign ? data.plain() : data) as never));
  return { ...procedure, output: shape.output, encode: present };
}

/** The procedure's own before its version's. A name that is not there is a typing error of whoever runs this. */
function readDeprecations({ deprecations, version, procedures }: Options) {
  const mine = deprecations.filter((each) => each.version === version.name);
  for (const { procedure } of mine)
    if (procedure !== undefined && !procedures.some(({ name }) => name === procedure))
      throw new ConfigError(`SIGNALBOX_DEPRECATIONS: ${version.name} has no procedure ${procedure}.`);
  const whole = mine.find(({ procedure }) => procedure === undefined);
  return (name: string) => mine.find(({ procedure }) => procedure === name) ?? whole;
}

function sendData(
  request: Asked,
  reply: Reply,
  {
    ctx: { answer },
    prefix,
    status,
    json,
  }: { ctx: Ctx; prefix: string; status: number | undefined; json: string | undefined },
): void {
  const code = answer.status ?? status ?? 200;
  let etag: string | undefined;
  for (const name in answer.headers) {
    const value = answer.headers[name]!;
    if (name.length === 4 && name.toLowerCase() === "etag") etag = value;
    // A verb names a place below the version, which it does not know.
    const isPlace = value.startsWith("/") && /^(content-)?location$/i.test(name);
    setHeader(reply, name, isPlace ? prefix + value : value);
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
    reply.headers({ "content-type": "application/json; charset=utf-8", "cache-control": "no-cache" });
    sendText(request, reply, once().document);
  });
  scope.get(`${prefix}/docs`, (request, reply) => {
    const { html, contentSecurityPolicy } = once().page;
    reply.headers({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-cache",
      "content-security-policy": contentSecurityPolicy,
    });
    sendText(request, reply, html);
  });
}
