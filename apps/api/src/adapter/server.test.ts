import assert from "node:assert/strict";
import { type AddressInfo, connect } from "node:net";
import { after, before, test } from "node:test";
import type { FastifyInstance } from "fastify";
import { createSampleApp } from "./testing.ts";

let app: FastifyInstance;
let port: number;
before(async () => {
  app = await createSampleApp();
  await app.listen({ port: 0, host: "127.0.0.1" });
  port = (app.server.address() as AddressInfo).port;
});
after(() => app.close());

/** Writes bytes to a socket and reads until the server closes it. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    let answer = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("end", () => resolve(answer));
    socket.on("error", reject);
    socket.setTimeout(5_000, () => {
      socket.destroy();
      reject(new Error(`the server kept the connection open after: ${answer}`));
    });
  });
}

function refused(answer: string, status: number, code: string): void {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  assert.match(head, new RegExp(`^HTTP/1.1 ${status} `), answer);
  assert.match(head, /content-type: application\/problem\+json/i);
  const problem = JSON.parse(body) as { code: string; status: number; requestId: string };
  assert.equal(problem.code, code);
  assert.equal(problem.status, status);
  assert.match(head, new RegExp(`x-request-id: ${problem.requestId}`, "i"));
}

test("bytes that are not HTTP", async () => refused(await raw("nonsense\r\n\r\n"), 400, "malformed"));

test("two lengths of one body", async () =>
  refused(
    await raw(
      "POST /v1/items HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    400,
    "malformed",
  ));

test("headers beyond their limit", async () =>
  refused(
    await raw(`GET /v1/items HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`),
    431,
    "headers_too_large",
  ));

test("an expectation that nobody can meet", async () =>
  refused(
    await raw("POST /v1/items HTTP/1.1\r\nHost: x\r\nExpect: foo\r\nContent-Length: 2\r\n\r\n{}"),
    417,
    "expectation_failed",
  ));

test("no Host", async () =>
  refused(await raw("GET /v1/items HTTP/1.1\r\nConnection: close\r\n\r\n"), 400, "malformed"));

test("a body of unsaid length that grows beyond the limit", async () => {
  const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
  const answer = await raw(
    `POST /v1/items HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer user\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}0\r\n\r\n`,
  );
  refused(answer, 413, "too_large");
});

test("a type without a body is not waited for, on either way", async () => {
  const head = "Host: x\r\nAuthorization: Bearer user\r\nConnection: close\r\nContent-Type: application/json";
  for (const path of ["/v1/items", "/v1/items?limit=2"])
    refused(await raw(`POST ${path} HTTP/1.1\r\n${head}\r\n\r\n`), 422, "invalid");
});

test("a missing token is answered before the body arrives", async () => {
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(
        "POST /v1/items HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{",
      ),
    );
    socket.setEncoding("utf8").once("data", (text) => {
      socket.destroy();
      resolve(String(text));
    });
    socket.on("error", reject);
  });
  refused(answer, 401, "unauthorized");
});

test("a connection goes on after a refusal", async () => {
  const answer = await raw(
    "GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/items/7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
  );
  assert.match(answer, /^HTTP\/1.1 404 /);
  assert.match(answer, /HTTP\/1.1 200 OK/);
});

test("for how long a connection is kept is said on either way", async () => {
  for (const path of ["/v1/items/7", "/v1/docs"]) {
    const last = "GET /v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n${last}`);
    assert.match(answer, /^HTTP\/1.1 200 OK\r\n(?:.+\r\n)*Keep-Alive: timeout=72\r\n/);
  }
});
