// A request and its answer as whatever stands in their way sees them: Fastify's own objects, or those of the short way.

import type { ServerResponse } from "node:http";
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from "fastify";

export type Asked = Pick<
  FastifyRequest,
  "raw" | "headers" | "id" | "method" | "url" | "trace" | "toll" | "address" | "ctx"
>;

export type Reply = {
  readonly raw: ServerResponse;
  code(status: number): Reply;
  header(name: string, value: string | number): Reply;
  headers(values: Record<string, string | number>): Reply;
  type(contentType: string): Reply;
  getHeader(name: string): number | string | string[] | undefined;
  hasHeader(name: string): boolean;
  send(payload?: string | Buffer | Error): unknown;
};

type Passed = Error | undefined;

/** One step before the handler: undefined lets a request on, an error is its answer. It does not throw. */
export type Gate = (request: Asked, reply: Reply) => Passed | Promise<Passed>;

export const toHook =
  (gate: Gate): onRequestHookHandler =>
  (request, reply: FastifyReply, done) => {
    const passed = gate(request, reply);
    if (passed instanceof Promise) passed.then(done, done);
    else done(passed);
  };

/** Goes on with what the work gives, at once where it gives it at once. */
export function settle<T>(
  work: () => T | Promise<T>,
  done: (value: T) => void,
  fail: (thrown: unknown) => void,
): void {
  try {
    const given = work();
    if (given instanceof Promise)
      given.then((value) => {
        try {
          done(value);
        } catch (thrown) {
          fail(thrown);
        }
      }, fail);
    else done(given);
  } catch (thrown) {
    fail(thrown);
  }
}
