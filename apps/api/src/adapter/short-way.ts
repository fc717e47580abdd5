// The short way of a read: the gates and the handler that Fastify would call, called one after the other, without the machinery that
// any request of any kind needs between them. Whatever is not plainly such a read goes on to Fastify (docs/decisions/0016).

import type { IncomingMessage, ServerResponse } from "node:http";
import { acceptRequestId } from "@signalbox/core/trace-context";
import type { Toll } from "@signalbox/gateway/pipeline";
import type { Ctx } from "@signalbox/modules/ctx";
import type { FastifyInstance } from "fastify";
import { sendProblem } from "./answer.ts";
import { addressOf, type Trust } from "./caller-address.ts";
import type { Asked, Gate, Reply } from "./exchange.ts";
import { nameFault } from "./faults.ts";
import { Head } from "./head.ts";
import type { Texts } from "./rest-input.ts";

/** A read as its door mounts it with Fastify too. */
export type Read = {
  admit: Gate;
  answer(request: Asked, reply: Reply, params: Texts): void;
  refuse(request: Asked, reply: Reply, thrown: unknown): void;
};

/** A path without a parameter, or with one at its end; undefined: it has another form. */
const pathForm = /^((?:\/[\w.~-]+)+)(?:\/:(\w+))?$/;
/** A parameter that is what it seems: nothing to decode, and not too long for Fastify. */
const plain = /^[\w.~-]{1,500}$/;
const noParams: Texts = Object.freeze({});

export type ShortWay = {
  /** The same path and handler that Fastify is given; GET only. */
  offer(path: string, read: Read): void;
};

declare module "fastify" {
  interface FastifyInstance {
    shortWay: ShortWay;
  }
}

/** Call it before anything is mounted, and after the gates are known. */
export function openShortWay(app: FastifyInstance, { gates, trust }: { gates: Gate[]; trust: Trust }): void {
  const whole = new Map<string, Read>();
  const below = new Map<string, { name: string; read: Read }>();
  /** Paths of Fastify's that a parameter of ours must not stand for. */
  const others = new Set<string>();
  const server = { isClosing: false };

  app.addHook("onRoute", ({ method, url }) => {
    if ([method].flat().includes("GET") && !/[:*]/.test(url)) others.add(url);
  });
  app.addHook("preClose", (done) => {
    server.isClosing = true;
    done();
  });
  app.decorate("shortWay", {
    offer(path, read) {
      const [, start, name] = pathForm.exec(path) ?? [];
      if (start === undefined) return;
      if (name === undefined) whole.set(path, read);
      else below.set(`${start}/`, { name, read });
    },
  });

  function take(raw: IncomingMessage, response: ServerResponse): boolean {
    const { url } = raw;
    if (raw.method !== "GET" || url === undefined || server.isClosing) return false;
    let read: Read | undefined;
    let params = noParams;
    const cut = url.lastIndexOf("/") + 1;
    const found = below.get(url.slice(0, cut));
    if (found !== undefined && !others.has(url)) {
      const value = url.slice(cut);
      if (!plain.test(value)) return false;
      read = found.read;
      params = { [found.name]: value };
    } else {
      read = whole.get(url);
      if (read === undefined) return false;
    }
    const request = new ShortRequest(raw, addressOf(raw, trust));
    walk(request, new ShortReply(request, response, server), read, params, 0);
    return true;
  }

  /** As Fastify does: what a read throws is its refusal, and never the end of the process. */
  function walk(request: ShortRequest, reply: ShortReply, read: Read, params: Texts, from: number): void {
    try {
      goOn(request, reply, read, params, from);
    } catch (thrown) {
      if (reply.raw.headersSent) reply.raw.destroy();
      else read.refuse(request, reply, thrown);
    }
  }

  function goOn(request: ShortRequest, reply: ShortReply, read: Read, params: Texts, from: number): void {
    for (let at = from; at <= gates.length; at++) {
      const passed = (gates[at] ?? read.admit)(request, reply);
      if (passed === undefined) continue;
      if (passed instanceof Promise)
        passed.then(
          (refusal) =>
            refusal === undefined
              ? walk(request, reply, read, params, at + 1)
              : read.refuse(request, reply, refusal),
          (thrown) => read.refuse(request, reply, thrown),
        );
      else read.refuse(request, reply, passed);
      return;
    }
    read.answer(request, reply, params);
  }

  const [long] = app.server.listeners("request") as ((
    raw: IncomingMessage,
    response: ServerResponse,
  ) => void)[];
  app.server.removeAllListeners("request");
  app.server.on("request", (raw, response) => {
    if (!take(raw, response)) long!(raw, response);
  });
}

class ShortRequest implements Asked {
  readonly raw: IncomingMessage;
  readonly headers: IncomingMessage["headers"];
  readonly method = "GET";
  readonly url: string;
  readonly id: string;
  readonly address: string;
  trace: Asked["trace"] = { traceparent: "" };
  toll: Toll | null = null;
  ctx: Ctx | null = null;

  constructor(raw: IncomingMessage, address: string) {
    this.raw = raw;
    this.headers = raw.headers;
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
    for (const name in values) this.header(name, values[name]!);
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
