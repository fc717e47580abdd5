// Connections on which nothing happens are closed. Node's own timer of a connection is set anew with each request, each answer and each
// read, which is dear; here all of them are looked at now and then, and only those that were quiet since the last look get a timer.

import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Passing } from "@signalbox/core/passing";

/** Node notes at its socket what is being answered. */
type Connection = Socket & { _httpMessage?: ServerResponse | null };

const longestLookMs = 5_000;
/** A connection may stay longer by one look. */
const looksOfOne = 6;

const silent = new WeakSet<ServerResponse>();

/** An answer that may have nothing to say for as long as it likes. */
export function letBeSilent(answer: ServerResponse): void {
  silent.add(answer);
  answer.socket?.setTimeout(0);
}

/** Takes over what the server has been told of quiet connections. Answers for how long one is kept between two requests. */
export function watchQuiet(server: Server): number {
  const { timeout: stalledMs, keepAliveTimeout: keptMs } = server;
  const lookMs = Math.min(longestLookMs, ...[stalledMs, keptMs].filter(Boolean).map((ms) => ms / looksOfOne));
  /** How many bytes had gone either way at the last look. */
  const connections = new Passing<Connection, number>();
  let looking: NodeJS.Timeout | undefined;
  server.timeout = 0;
  server.keepAliveTimeout = 0;

  function look(): void {
    for (const [socket, before] of connections.all()) {
      const bytes = socket.bytesRead + socket.bytesWritten;
      if (bytes !== before) {
        connections.set(socket, bytes);
        if (socket.timeout) socket.setTimeout(0);
      } else if (!socket.timeout) beginToEnd(socket);
    }
    if (connections.size > 0) return;
    clearInterval(looking);
    looking = undefined;
  }

  function beginToEnd(socket: Connection): void {
    const { _httpMessage: answer } = socket;
    if (answer && silent.has(answer)) return;
    const ms = answer ? stalledMs : keptMs;
    // Where it is written to, Node sees whether any of it is read.
    if (ms > 0) socket.setTimeout(Math.max(1, ms - lookMs));
  }

  server.on("connection", (socket: Connection) => {
    connections.set(socket, 0);
    socket.once("close", () => connections.delete(socket));
    looking ??= setInterval(look, lookMs).unref();
  });
  return keptMs;
}
