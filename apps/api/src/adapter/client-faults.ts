// What Node refuses before there is a request to answer: the problem is then written by hand, in the same form.

import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { AppError, type ErrorCode, toProblem } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { acceptRequestId } from "@signalbox/core/trace-context";
import { refusalHeaders } from "./answer.ts";

const faults: Record<string, [ErrorCode, string]> = {
  HPE_HEADER_OVERFLOW: ["headers_too_large", "the request line and headers together are larger than 16 KiB"],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ["too_large", "the chunk extensions are too large"],
  ERR_HTTP_REQUEST_TIMEOUT: ["timeout", "the request did not arrive in time"],
};

/** How long a caller who still sends has for the answer: a connection that is closed meanwhile is reset, and the answer lost. */
const lingerMs = 1_000;
const refused = new WeakSet<Socket>();

/** Its caller was told that the connection ends: what still comes on it is not to be done. */
export const isRefused = (socket: Socket): boolean => refused.has(socket);

/** Node could not read the request, so there is no reply object. */
export function answerClientFault(
  error: Error & { code?: string },
  socket: Socket & { _httpMessage?: { headersSent: boolean } },
): void {
  // The rest of what can not be read is dropped.
  if (refused.has(socket)) return;
  // An answer that has begun cannot be replaced; bytes after it would be read as part of it.
  if (error.code === "ECONNRESET" || !socket.writable || socket._httpMessage?.headersSent) {
    socket.destroy();
    return;
  }
  const [code, detail] = faults[error.code ?? ""] ?? [
    "malformed",
    "this is not an HTTP request that can be read",
  ];
  const { status, headers, body } = compose(new AppError(code, detail), newId());
  refused.add(socket);
  // What came too late can be read well, and would be done although its caller was told otherwise.
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") socket.pause();
  const late = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(late));
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Error"}\r\ndate: ${new Date().toUTCString()}\r\n${lines.join("")}\r\n${body}`,
  );
}

/** `Expect` with anything but 100-continue. */
export function refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
  const refusal = new AppError(
    "expectation_failed",
    "leave out the header Expect; only 100-continue is known",
  );
  const { status, headers, body } = compose(refusal, acceptRequestId(request.headers["x-request-id"]));
  response.writeHead(status, headers).write(body);
  // The answer is whole; its end, which closes the connection, waits for the body that may follow. What comes after that is nothing.
  refused.add(request.socket);
  const end = () => response.end();
  const late = setTimeout(end, lingerMs);
  response.once("close", () => clearTimeout(late));
  request.once("end", end).resume();
}

function compose(refusal: AppError, requestId: string) {
  const body = JSON.stringify(toProblem(refusal, requestId));
  const headers = {
    "content-type": "application/problem+json",
    "content-length": Buffer.byteLength(body),
    "x-request-id": requestId,
    connection: "close",
    ...refusalHeaders(refusal),
  };
  return { status: refusal.status, headers, body };
}
