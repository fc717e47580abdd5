// What the head of an answer lets through, and that Node takes it for its own.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { after, before, test } from "node:test";
import { Head, standing } from "./head.ts";

let answer: (response: ServerResponse) => void;
const server = createServer((_request, response) => answer(response));

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
after(() => server.close());

/** All bytes that come until the server closes the connection, or has said so much. */
async function say(request: string, answers = 1): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.setEncoding("latin1").write(request);
  let text = "";
  for await (const chunk of socket) {
    text += chunk;
    if (text.split("hello").length > answers) break;
  }
  socket.destroy();
  return text;
}

const hello = (fields: Record<string, string> = {}) => {
  const head = new Head();
  for (const [name, value] of Object.entries({ ...fields, "content-length": "5" })) head.set(name, value);
  return head;
};

test("a name is set once, whatever its letters, and its last value counts", async () => {
  answer = (response) => {
    const head = hello({ "X-One": "1", "x-two": "2" });
    head.set("x-one", "3");
    assert.equal(head.get("X-ONE"), "3");
    assert.equal(head.get("x-three"), undefined);
    head.write(response, 201);
    response.end("hello", "latin1");
  };
  const text = await say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(text, /^HTTP\/1\.1 201 Created\r\nx-one: 3\r\nx-two: 2\r\ncontent-length: 5\r\nDate: /);
  assert.match(text, /\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\nhello$/);
});

test("two answers on one connection, one after the other", async () => {
  answer = (response) => {
    hello().write(response, 200);
    response.end("hello", "latin1");
  };
  const text = await say("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2), 2);
  assert.equal(text.match(/HTTP\/1\.1 200 OK/g)?.length, 2);
});

test("where the caller does not go on, the connection is closed, and the answer says so", async () => {
  answer = (response) => {
    hello().write(response, 200);
    response.end("hello", "latin1");
  };
  for (const request of ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"])
    assert.match(await say(request, 2), /\r\nConnection: close\r\n\r\nhello$/);
});

test("a value that would begin a field of its own, or a name that is none, is refused before anything is written", async () => {
  let refused: unknown[] = [];
  answer = (response) => {
    refused = [
      () => hello({ "x-one": "1\r\nset-cookie: a=b" }).write(response, 200),
      () => hello({ "x-one": "\u0100" }).write(response, 200),
      () => hello({ "x one": "1" }).write(response, 200),
    ].map((attempt) => {
      try {
        attempt();
        return undefined;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
    });
    assert.equal(response.headersSent, false);
    hello({ "x-one": "1" }).write(response, 200);
    response.end("hello", "latin1");
  };
  assert.match(await say("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), /x-one: 1\r\n/);
  assert.deepEqual(refused, [
    "ERR_INVALID_CHAR",
    "ERR_INVALID_CHAR",
    "ERR_INVALID_HTTP_TOKEN",
  ] satisfies unknown[]);
});

test("what stands in every answer comes first, and gives way to what is set later", async () => {
  const always = standing({ "x-always": "1", "x-mostly": "2" });
  const texts: (string | undefined)[] = [];
  answer = (response) => {
    const head = new Head();
    assert.ok(head.begin(always));
    head.set("content-length", "5");
    head.set("x-own", "3");
    if (response.req.url === "/other") head.set("X-Mostly", "4");
    if (response.req.url === "/read") texts.push(head.get("x-always"), head.get("x-mostly"));
    head.write(response, 200);
    response.end("hello", "latin1");
  };
  const ask = (path: string) => say(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const fields =
    /^HTTP\/1\.1 200 OK\r\nx-always: 1\r\nx-mostly: (\d)\r\ncontent-length: 5\r\nx-own: 3\r\nDate: /;
  assert.equal(fields.exec(await ask("/"))?.[1], "2");
  assert.equal(fields.exec(await ask("/other"))?.[1], "4");
  assert.equal(fields.exec(await ask("/read"))?.[1], "2");
  assert.deepEqual(texts, ["1", "2"]);
});

test("nothing stands before what was set already, nor what was not put together", () => {
  const always = standing({ "x-always": "1" });
  const head = new Head();
  assert.ok(!head.begin({ "x-always": "1" }));
  head.set("x-own", "3");
  assert.ok(!head.begin(always));
  assert.throws(() => standing({ "x-bad": "a\r\nb" }), { code: "ERR_INVALID_CHAR" });
});
