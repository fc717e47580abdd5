// Which connections are closed for being quiet. Those of the whole server are in hostile.test.ts.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { test } from "node:test";
import { letBeSilent, watchQuiet } from "./quiet.ts";

test("an answer that says nothing loses its connection, unless it may be silent", async () => {
  const server = createServer((request, response) => {
    if (request.url !== "/silent") return;
    letBeSilent(response);
    response.write("begun");
  });
  server.timeout = 200;
  server.keepAliveTimeout = 100;
  assert.equal(watchQuiet(server), 100);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const open = (path: string) => {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    return socket.resume();
  };
  const silent = open("/silent");
  await once(silent, "data");
  for (let n = 0; n < 2; n++) await once(open("/quiet"), "close");
  assert.equal(silent.destroyed, false);
  silent.destroy();
  server.close();
});
