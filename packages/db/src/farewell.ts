// postgres.js keeps the error with which a server says farewell in the middle of a query, and hands it to the first query of the
// connection that follows, minutes later. So the farewell is not passed on: the driver sees a connection that closed, which is so.

import { connect, type Socket } from "node:net";

/** FATAL 57P01 (shutting down, or ended by an administrator) and 57P02 (another process crashed), as they stand on the wire. */
const farewells = ["57P01", "57P02"].map((code) => Buffer.from(`VFATAL\0C${code}\0`));

export function openSocket({ host, port }: { host: string[]; port: number[] }): Socket {
  const socket = connect(port[0]!, host[0]!);
  const emit = socket.emit.bind(socket);
  socket.emit = (event: string | symbol, ...args: unknown[]) => {
    const [chunk] = args;
    if (
      event !== "data" ||
      !Buffer.isBuffer(chunk) ||
      !farewells.some((farewell) => chunk.includes(farewell))
    )
      return emit(event, ...args);
    socket.destroy();
    return true;
  };
  return socket;
}

/** One plain host: with TLS or several hosts the driver connects by itself. */
export function isPlain(url: string): boolean {
  const [, authority = "", query = ""] =
    /^postgres(?:ql)?:\/\/(?:[^@/]*@)?([^/?]*)[^?]*\??(.*)$/.exec(url) ?? [];
  return authority !== "" && !authority.includes(",") && !/\bsslmode=|\bssl=|\bhost=/.test(query);
}
