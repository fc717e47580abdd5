import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { test } from "node:test";
import { nameFault } from "./faults.ts";

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test("a part that resets our connection is away; it is no caller who went away", async (t) => {
  const part = createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
  t.after(() => part.close());
  const socket = connect(await listen(part), "127.0.0.1", () => socket.write("a question"));
  const [error] = await once(socket, "error").catch((error) => [error]);
  assert.equal(error.code, "ECONNRESET");
  const { status, code } = nameFault(error);
  assert.deepEqual([status, code], [503, "unavailable"]);
});

test("a caller who goes away in the middle of his body is named", async (t) => {
  const failed = Promise.withResolvers<Error>();
  const server = createHttpServer((request) => request.on("error", failed.resolve).resume());
  t.after(() => server.close());
  const socket = connect(await listen(server), "127.0.0.1", () =>
    socket.write("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf"),
  );
  await once(server, "request");
  socket.resetAndDestroy();
  assert.equal(nameFault(await failed.promise).code, "cancelled");
});
