// The short way of a call: the gates and the handler that Fastify would call, called one after the other, without the machinery that
// any request of any kind needs between them. Whatever is not plainly such a call goes on to Fastify (docs/decisions/0016).

import type { IncomingMessage, ServerResponse } from "node:http";
import { createGenerations } from "@signalbox/core/generations";
import { acceptRequestId } from "@signalbox/core/trace-context";
import type { Toll } from "@signalbox/gateway/pipeline";
import type { Ctx } from "@signalbox/modules/ctx";
import type { FastifyInstance } from "fastify";
import { sendProblem } from "./answer.ts";
import { addressOf, type Trust } from "./caller-address.ts";
import { isRefused } from "./client-faults.ts";
import type { Asked, Gate, Reply } from "./exchange.ts";
import { nameFault } from "./faults.ts";
import { Head, sayKept } from "./head.ts";
import { readUtf8 } from "./json.ts";
import type { Texts } from "./rest-input.ts";

/** A call as its door mounts it with Fastify too. */
export type Direct = {
  admit: Gate;
  answer(request: Asked, reply: Reply, params: Texts, query: Texts, body?: string): void;
  refuse(request: Asked, reply: Reply, thrown: unknown): void;
};

/** A path without a parameter, or with one at its end; undefined: it has another form. */
const pathForm = /^((?:\/[\w.~-]+)+)(?:\/:(\w+))?$/;
/** A parameter that is what it seems: nothing to decode, and not too long for Fastify. */
const plain = /^[\w.~-]{1,500}$/;
const noTexts: Texts = Object.freeze({});
/** The same of a query: `limit=20&cursor=...`. */
const plainQuery = /^\w+=[\w.~-]*(?:&\w+=[\w.~-]*)*$/;

/** What is asked again and again: pages that begin a list. */
const shortQueries = createGenerations<Texts>(200);
const shortQuery = 40;

/** Undefined: Fastify reads it. A name that comes twice is a list. */
function readQuery(text: string): Texts | undefined {
  const known = text.length <= shortQuery ? shortQueries.get(text) : undefined;
  if (known !== undefined) return known;
  const query = parseQuery(text);
  if (query !== undefined && text.length <= shortQuery) shortQueries.set(text, Object.freeze(query));
  return query;
}

function parseQuery(text: string): Texts | undefined {
  if (!plainQuery.test(text)) return undefined;
  const query = Object.create(null) as Texts;
  for (const pair of text.split("&")) {
    const cut = pair.indexOf("=");
    const name = pair.slice(0, cut);
    if (name in query) return undefined;
    query[name] = pair.slice(cut + 1);
  }
  return query;
}

export type ShortWay = {
  /** The same method, path and handler that Fastify is given. */
  offer(method: string, path: string, call: Direct): void;
};

declare module "fastify" {
  interface FastifyInstance {
    shortWay: ShortWay;
  }
}

/** What one method offers. */
class Offers {
  readonly whole = new Map<string, Direct>();
  readonly below = new Map<string, { name: string; call: Direct }>();
  /** Paths of Fastify's that a parameter of ours must not stand for. */
  readonly others = new Set<string>();
}

type Setting = {
  gates: Gate[];
  trust: Trust;
  /** For how long callers are told that their connection is kept. */
  keptMs?: number;
};

/** Call it before anything is mounted, and after the gates are known. */
export function openShortWay(
  app: FastifyInstance,
  { gates, trust, keptMs = app.server.keepAliveTimeout }: Setting,
): void {
  const byMethod = new Map(["GET", "POST", "PUT", "PATCH", "DELETE"].map((name) => [name, new Offers()]));
  const server = { isClosing: false };

  app.addHook("onRoute", ({ method, url }) => {
    if (!/[:*]/.test(url)) for (const name of [method].flat()) byMethod.get(name)?.others.add(url);
  });
  app.addHook("preClose", (done) => {
    server.isClosing = true;
    done();
  });
  app.decorate("shortWay", {
    offer(method, path, call) {
      const offers = byMethod.get(method);
      const [, start, name] = pathForm.exec(path) ?? [];
      if (offers === undefined || start === undefined) return;
      if (name === undefined) offers.whole.set(path, call);
      else offers.below.set(`${start}/`, { name, call });
    },
  });

  function take(raw: IncomingMessage, response: ServerResponse): boolean {
    const { url, method } = raw;
    const offers = byMethod.get(method!);
    if (offers === undefined || url === undefined || server.isClosing) return false;
    // Without a length it is Fastify who counts. A GET with a body is strange enough for the long way.
    if (raw.headers["transfer-encoding"] !== undefined) return false;
    const hasBody = (raw.headers["content-length"] ?? "0") !== "0";
    if (hasBody && method === "GET") return false;
    let call: Direct | undefined;
    let params = noTexts;
    let query: Texts | undefined = noTexts;
    let path = url;
    const mark = url.indexOf("?");
    if (mark >= 0) {
      if (method !== "GET") return false;
      query = readQuery(url.slice(mark + 1));
      if (query === undefined) return false;
      path = url.slice(0, mark);
    }
    const cut = path.lastIndexOf("/") + 1;
    const found = offers.below.get(path.slice(0, cut));
    if (found !== undefined && !offers.others.has(path)) {
      const value = path.slice(cut);
      if (!plain.test(value)) return false;
      call = found.call;
      params = { [found.name]: value };
    } else {
      call = offers.whole.get(path);
      if (call === undefined) return false;
    }
    const request = new ShortRequest(raw, addressOf(raw, trust));
    walk({ request, reply: new ShortReply(request, response, server), call, params, query, hasBody }, 0);
    return true;
  }

  type Walk = {
    request: ShortRequest;
    reply: ShortReply;
    call: Direct;
    params: Texts;
    query: Texts;
    hasBody: boolean;
  };

  /** As Fastify does: what a call throws is its refusal, and never the end of the process. */
  function guarded({ request, reply, call }: Walk, work: () => void): void {
    try {
      work();
    } catch (thrown) {
      if (reply.raw.headersSent) reply.raw.destroy();
      else call.refuse(request, reply, thrown);
    }
  }

  const walk = (on: Walk, from: number): void => guarded(on, () => goOn(on, from));

  function goOn(on: Walk, from: number): void {
    const { request, reply, call, params, query } = on;
    for (let at = from; at <= gates.length; at++) {
      const passed = (gates[at] ?? call.admit)(request, reply);
      if (passed === undefined) continue;
      if (passed instanceof Promise)
        passed.then(
          (refusal) => (refusal === undefined ? walk(on, at + 1) : call.refuse(request, reply, refusal)),
          (thrown) => call.refuse(request, reply, thrown),
        );
      else call.refuse(request, reply, passed);
      return;
    }
    if (on.hasBody)
      readBody(request.raw, (body) =>
        guarded(on, () => call.answer(request, reply, params, query, readUtf8(body, "the body"))),
      );
    else call.answer(request, reply, params, query);
  }

  const [long] = app.server.listeners("request") as ((
    raw: IncomingMessage,
    response: ServerResponse,
  ) => void)[];
  app.server.removeAllListeners("request");
  app.server.on("request", (raw, response) => {
    if (isRefused(raw.socket)) return;
    sayKept(response, keptMs);
    if (!take(raw, response)) long!(raw, response);
  });
}

/** Its length is known and was let in. Whoever goes away before its end gets no answer. */
function readBody(raw: IncomingMessage, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  raw.on("data", (chunk: Buffer) => void chunks.push(chunk));
  raw.on("end", () => done(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
}

class ShortRequest implements Asked {
  readonly raw: IncomingMessage;
  readonly headers: IncomingMessage["headers"];
  readonly method: string;
  readonly url: string;
  readonly id: string;
  readonly address: string;
  trace: Asked["trace"] = { traceparent: "" };
  toll: Toll | null = null;
  ctx: Ctx | null = null;

  constructor(raw: IncomingMessage, address: string) {
    this.raw = raw;
    this.headers = raw.headers;
    this.method = raw.method!;
    this.url = raw.url!;
    this.id = acceptRequestId(raw.headers["x-request-id"]);
    this.address = address;
  }
}

class ShortReply implements Reply {
  readonly raw: ServerResponse;
  readonly #request: ShortRequest;
  #status = 200;
  readonly #server: { readonly isClosing: boolean };
  #head = new Head();

  constructor(request: ShortRequest, raw: ServerResponse, server: { readonly isClosing: boolean }) {
    this.#request = request;
    this.raw = raw;
    this.#server = server;
  }

  code(status: number): this {
    this.#status = status;
    return this;
  }

  header(name: string, value: string | number): this {
    this.#head.set(name, typeof value === "string" ? value : String(value));
    return this;
  }

  headers(values: Record<string, string | number>): this {
    if (!this.#head.begin(values)) for (const name in values) this.header(name, values[name]!);
    return this;
  }

  type(contentType: string): this {
    return this.header("content-type", contentType);
  }

  getHeader(name: string): string | undefined {
    return this.#head.get(name);
  }

  hasHeader(name: string): boolean {
    return this.getHeader(name) !== undefined;
  }

  send(payload?: string | Buffer | Error): void {
    if (payload instanceof Error) {
      // What could not be written is not tried again.
      this.#head = new Head();
      sendProblem(this.#request, this, nameFault(payload));
      return;
    }
    // A connection that stayed would keep the server from closing.
    if (this.#server.isClosing) this.raw.shouldKeepAlive = false;
    const status = this.#status;
    if (payload === undefined) {
      if (status !== 204 && status !== 304) this.header("content-length", "0");
      this.raw.writeHead(status, this.#head.fields()).end();
      return;
    }
    const bytes = Buffer.byteLength(payload);
    this.header("content-length", bytes);
    this.#head.write(this.raw, status);
    // As many bytes as signs: no sign needs two, and latin1 is written without a look at each.
    this.raw.end(payload, bytes === payload.length ? "latin1" : "utf8");
  }
}
