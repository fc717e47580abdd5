// One request over a connection that is kept, and its answer in plain text.

import { Agent, request as httpRequest } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import type { FuzzAnswer } from "./judge.ts";

export type Frame = {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
};
export type Send = (base: string, frame: Frame) => Promise<FuzzAnswer>;

const noAnswerMs = 15_000;

export function createSender(atOnce: number): { send: Send; close: () => void } {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const send: Send = (base, { method, path, headers, body }) =>
    new Promise((resolve) => {
      const { hostname, port } = new URL(base);
      const length = body && !headers["content-length"] ? { "content-length": body.length } : {};
      const request = httpRequest(
        { agent, hostname, port, method, path, headers: { ...headers, ...length } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("error", fail);
          response.on("data", (chunk) => chunks.push(chunk));
          response.on("end", () =>
            resolve({
              status: response.statusCode!,
              headers: response.headers,
              body: plain(Buffer.concat(chunks), response.headers["content-encoding"]),
            }),
          );
        },
      );
      // No answer is one to be judged too, and half of one is none.
      const fail = ({ message }: Error) =>
        resolve({ status: 599, headers: {}, body: JSON.stringify({ none: message }) });
      request.on("error", fail);
      request.setTimeout(noAnswerMs, () => request.destroy(new Error(`no answer within ${noAnswerMs} ms`)));
      request.end(body);
    });
  return { send, close: () => agent.destroy() };
}

function plain(bytes: Buffer, encoding: string | undefined): string {
  if (bytes.length === 0) return "";
  if (encoding === "br") return brotliDecompressSync(bytes).toString();
  return (encoding === "gzip" ? gunzipSync(bytes) : bytes).toString();
}
