import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { after, before, describe, test } from "node:test";
import type { FastifyInstance } from "fastify";
import { createSampleApp } from "./testing.ts";

let app: FastifyInstance;
let port: number;
const listen = async (made: FastifyInstance) => {
  await made.listen({ port: 0, host: "127.0.0.1" });
  return (made.server.address() as AddressInfo).port;
};
before(async () => {
  app = await createSampleApp();
  port = await listen(app);
});
after(() => app.close());

/**
 * Writes the pieces with pauses between them, `allowHalfOpen` when the server has said its last word too, and reads until the server
 * closes, `readsLate` once all is written; answers the bytes and how long it took.
 */
function raw(
  pieces: string[],
  { at = port, pauseMs = 0, waitMs = 4_000, reads = true, readsLate = false, allowHalfOpen = false } = {},
) {
  return new Promise<{ text: string; ms: number }>((resolve, reject) => {
    const started = performance.now();
    let text = "";
    const socket = connect({ port: at, host: "127.0.0.1", allowHalfOpen }, async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        socket.write(Buffer.from(piece, "latin1"));
        if (pauseMs) await new Promise((resume) => setTimeout(resume, pauseMs));
      }
      if (readsLate) socket.resume();
      if (allowHalfOpen) socket.end();
    });
    if (readsLate) socket.pause();
    if (reads) socket.setEncoding("latin1").on("data", (chunk) => (text += chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve({ text, ms: performance.now() - started });
    });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the server kept the connection open after: ${text}`));
    }, waitMs);
  });
}

type Answer = { status: number; type: string | undefined; body: string };

/** The answers in one stream of bytes, by their lengths: what is left over would be read as another's answer. */
function split(text: string): Answer[] {
  const answers: Answer[] = [];
  for (let rest = text; rest !== ""; ) {
    const head = /^HTTP\/1\.1 (\d{3}) [^\r]*\r\n([\s\S]*?)\r\n\r\n/.exec(rest);
    assert.ok(head, `not an answer: ${JSON.stringify(rest.slice(0, 200))}`);
    const header = (name: string) => new RegExp(`^${name}: *(.*)$`, "im").exec(head[2]!)?.[1]?.trim();
    const length = Number(header("content-length") ?? 0);
    const body = rest.slice(head[0].length, head[0].length + length);
    answers.push({ status: Number(head[1]), type: header("content-type"), body });
    rest = rest.slice(head[0].length + length);
  }
  return answers;
}

const isProblem = ({ type, body, status }: Answer) =>
  type === "application/problem+json" && JSON.parse(body).status === status;

const h = (lines: string[], body = "") => `${lines.join("\r\n")}\r\n\r\n${body}`;
const post = (headers: string[], body: string) =>
  h(
    [
      "POST /v1/items HTTP/1.1",
      "Host: x",
      "Authorization: Bearer user",
      "Content-Type: application/json",
      ...headers,
    ],
    body,
  );
const hidden = "GET /v1/items/hidden HTTP/1.1\r\nHost: x\r\n\r\n";

describe("a request whose end is a matter of opinion is refused, and nothing after it is read", () => {
  const body = '{"text":"x"}';
  const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const cases: Record<string, string> = {
    "Content-Length and Transfer-Encoding": post(
      ["Content-Length: 4", "Transfer-Encoding: chunked"],
      `${chunked}${hidden}`,
    ),
    "Transfer-Encoding and Content-Length": post(
      ["Transfer-Encoding: chunked", "Content-Length: 4"],
      `${chunked}${hidden}`,
    ),
    "two lengths": post(["Content-Length: 12", "Content-Length: 5"], `${body}${hidden}`),
    "two equal lengths": post(["Content-Length: 12", "Content-Length: 12"], `${body}${hidden}`),
    "a list of lengths": post(["Content-Length: 12, 12"], `${body}${hidden}`),
    "a signed length": post(["Content-Length: +12"], `${body}${hidden}`),
    "a negative length": post(["Content-Length: -1"], `${body}${hidden}`),
    "a length in hex": post(["Content-Length: 0xc"], `${body}${hidden}`),
    "a length beyond all numbers": post(["Content-Length: 99999999999999999999999"], `${body}${hidden}`),
    "a space before the colon": post(["Content-Length : 12"], `${body}${hidden}`),
    "a folded header": post(["X-Folded: a", " b", "Content-Length: 12"], `${body}${hidden}`),
    "a folded Transfer-Encoding": post(["Transfer-Encoding:", " chunked"], `${chunked}${hidden}`),
    "an encoding that is not chunked": post(["Transfer-Encoding: identity"], `${body}${hidden}`),
    "an encoding after chunked": post(["Transfer-Encoding: chunked, identity"], `${chunked}${hidden}`),
    "chunked spelled wrong": post(["Transfer-Encoding: xchunked"], `${chunked}${hidden}`),
    "bare line feeds": "GET /v1/items/7 HTTP/1.1\nHost: x\n\nGET /v1/items/hidden HTTP/1.1\nHost: x\n\n",
    "a bare line feed in a header": `GET /v1/items/7 HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n${hidden}`,
    "a bare carriage return": `GET /v1/items/7 HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n${hidden}`,
    "a NUL in a header": `GET /v1/items/7 HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n${hidden}`,
    "a chunk size with a sign": post(["Transfer-Encoding: chunked"], `-c\r\n${body}\r\n0\r\n\r\n${hidden}`),
    "a chunk size with 0x": post(["Transfer-Encoding: chunked"], `0xc\r\n${body}\r\n0\r\n\r\n${hidden}`),
    "a chunk longer than it says": post(["Transfer-Encoding: chunked"], `5\r\n${body}\r\n0\r\n\r\n${hidden}`),
    "a chunk size beyond all numbers": post(["Transfer-Encoding: chunked"], `ffffffffffffffffff\r\n${body}`),
    "a chunk that ends in a bare line feed": post(
      ["Transfer-Encoding: chunked"],
      `c\n${body}\n0\n\n${hidden}`,
    ),
    "endless chunk extensions": post(
      ["Transfer-Encoding: chunked"],
      `c;${"a=b;".repeat(20_000)}\r\n${body}\r\n0\r\n\r\n${hidden}`,
    ),
    "two hosts": `GET /v1/items/7 HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n`,
    "no version": "GET /v1/items/7\r\n\r\n",
    "another version": `GET /v1/items/7 HTTP/3.0\r\nHost: x\r\n\r\n${hidden}`,
    "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a greeting of TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an unknown method": `EAT /v1/items/7 HTTP/1.1\r\nHost: x\r\n\r\n${hidden}`,
    "a space in the address": `GET /v1/items/a b HTTP/1.1\r\nHost: x\r\n\r\n${hidden}`,
    "spaces before the method": `   GET /v1/items/7 HTTP/1.1\r\nHost: x\r\n\r\n${hidden}`,
    CONNECT: "CONNECT other:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without a name": `GET /v1/items/7 HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n${hidden}`,
    "a header without a colon": `GET /v1/items/7 HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n${hidden}`,
  };
  for (const [name, bytes] of Object.entries(cases))
    test(name, async () => {
      const answers = split((await raw([bytes])).text);
      assert.ok(answers.length <= 1, JSON.stringify(answers));
      assert.ok(
        answers.every((answer) => answer.status >= 400 && answer.status < 500 && isProblem(answer)),
        JSON.stringify(answers),
      );
    });
});

test("who is refused in the middle of a large body reads why", async () => {
  const refused: Record<number, string> = {
    431: `X-Long: ${"x".repeat(20_000)}`,
    417: "Expect: x",
    413: "X-Own: y",
  };
  for (const [status, header] of Object.entries(refused)) {
    const head = post([header, "Content-Length: 3000000"], "");
    const pieces = [head, ...Array.from({ length: 30 }, () => "x".repeat(100_000))];
    // Asks for the end of the connection, which is one that may stay open otherwise.
    const { text } = await raw([...pieces, h(["GET /v1/items/7 HTTP/1.1", "Host: x", "Connection: close"])], {
      pauseMs: 3,
      readsLate: true,
    });
    assert.equal(split(text)[0]?.status, Number(status));
  }
});

describe("after an answer that closes the connection nothing more of it is done", () => {
  const body = '{"text":"x"}';
  const length = `Content-Length: ${body.length}`;
  const odd = post(["Expect: x", length], "");
  const bare = h(["GET /v1/items/7 HTTP/1.1", "Host: x", "Expect: x"]);
  const cases: [string, number, string[]][] = [
    ["what follows comes with the body", 417, [odd, body + hidden]],
    ["what follows comes at once", 417, [odd + body + hidden]],
    ["what follows comes later", 417, [odd + body, hidden]],
    ["what follows comes after no body", 417, [bare, hidden]],
    [
      "a body ends a moment after its time is up",
      408,
      [post([length], ""), ...body.slice(0, 9), body.slice(9) + hidden],
    ],
  ];
  for (const [name, status, pieces] of cases)
    test(name, async (t) => {
      const done: string[] = [];
      const made = await createSampleApp({
        patience: { headersMs: 200, requestMs: 400, checkEveryMs: 50 },
        gateway: (call, next) => {
          done.push(call.name);
          return next();
        },
      });
      t.after(() => made.close());
      const { text } = await raw(pieces, { at: await listen(made), pauseMs: 60, allowHalfOpen: true });
      assert.deepEqual([split(text).map((answer) => answer.status), done], [[status], []]);
    });
});

describe("what is odd and clear is answered", () => {
  const close = "Connection: close";
  const one = async (text: string) => {
    const [answer, ...more] = split((await raw([text])).text);
    assert.deepEqual(more, []);
    return answer!;
  };
  test("small chunk extensions and trailers are left aside", async () => {
    const chunked = 'c;name="v"\r\n{"text":"x"}\r\n0\r\nX-Trailer: a\r\n\r\n';
    assert.equal((await one(post(["Transfer-Encoding: chunked", close], chunked))).status, 201);
  });
  test("a body with a GET is not read as the next request", async () => {
    const get = h(["GET /v1/items/7 HTTP/1.1", "Host: x", `Content-Length: ${hidden.length}`, close], hidden);
    assert.ok([200, 400, 415].includes((await one(get)).status));
  });
  test("other forms of an address", async () => {
    for (const [target, statuses] of [
      ["http://x/v1/items/7", [200, 404]],
      ["//x/v1/items/7", [404]],
      ["/v1/../v1/items/7", [200, 404]],
      ["/v1/items/%2e%2e%2f7", [200]],
      ["/v1/items/\xff\xfe", [200, 400, 404]],
      ["*", [404]],
      ["/v1/items?__proto__=1&__proto__[a]=2&constructor.prototype.a=3&limit=5", [200]],
      ["/v1/items?limit=5&toString=1&hasOwnProperty=2", [200]],
    ] as const) {
      const answer = await one(h([`GET ${target} HTTP/1.1`, "Host: x", close]));
      assert.ok((statuses as readonly number[]).includes(answer.status), `${target}: ${answer.status}`);
      assert.ok(answer.status === 200 || isProblem(answer), target);
    }
    assert.equal(({} as Record<string, unknown>).a, undefined);
  });
  test("an upgrade that nobody offers is an ordinary request", async () => {
    const ask = h([
      "GET /v1/items/7 HTTP/1.1",
      "Host: x",
      "Connection: Upgrade, close",
      "Upgrade: websocket",
    ]);
    assert.equal((await one(ask)).status, 200);
  });
  test("2,700 headers within the limit are all read", async () => {
    const many = Array.from({ length: 2_700 }, () => "a:b");
    const answer = await one(h(["GET /v1/items/7 HTTP/1.1", ...many, "Host: x", close]));
    assert.equal(answer.status, 200);
  });
});

describe("whoever is slow loses the connection, not the server", () => {
  let hasty: FastifyInstance;
  let at: number;
  before(async () => {
    hasty = await createSampleApp({
      patience: { headersMs: 300, requestMs: 600, stalledMs: 500, keepAliveMs: 300, checkEveryMs: 50 },
    });
    at = await listen(hasty);
  });
  after(() => hasty.close());
  const drip = (text: string, size: number) => text.match(new RegExp(`[\\s\\S]{1,${size}}`, "g")) ?? [];

  test("headers a letter at a time", async () => {
    const pieces = ["GET /v1/items/7 HTTP/1.1\r\nHost: x\r\n", ...drip("X-Slow: ".padEnd(400, "y"), 1)];
    const { text, ms } = await raw(pieces, { at, pauseMs: 20 });
    assert.deepEqual(
      split(text).map((answer) => [answer.status, isProblem(answer)]),
      [[408, true]],
    );
    assert.ok(ms < 3_000, `${ms} ms`);
  });
  test("a body a letter at a time", async () => {
    const body = JSON.stringify({ text: "x".repeat(400) });
    const { text, ms } = await raw([post([`Content-Length: ${body.length}`], ""), ...drip(body, 1)], {
      at,
      pauseMs: 20,
    });
    assert.ok(
      split(text).every((answer) => answer.status === 408 && isProblem(answer)),
      text,
    );
    assert.ok(ms < 3_000, `${ms} ms`);
  });
  test("nothing at all", async () => {
    assert.ok((await raw([], { at })).ms < 3_000);
  });
  test("a connection that is kept and not used", async () => {
    const { text } = await raw(["GET /v1/items/7 HTTP/1.1\r\nHost: x\r\n\r\n"], { at });
    assert.equal(split(text)[0]?.status, 200);
  });
  test("a connection that is used stays for longer than one that is not", async () => {
    const used = await createSampleApp({ patience: { stalledMs: 1_000, keepAliveMs: 1_000 } });
    try {
      const ask = "GET /v1/items/7 HTTP/1.1\r\nHost: x\r\n\r\n";
      const last = ask.replace("Host", "Connection: close\r\nHost");
      const { text } = await raw([...Array<string>(20).fill(ask), last], {
        at: await listen(used),
        pauseMs: 80,
      });
      assert.deepEqual(new Set(split(text).map(({ status }) => status)), new Set([200]));
      assert.equal(split(text).length, 21);
    } finally {
      await used.close();
    }
  });
  test("answers that are asked for and never read", async () => {
    const ask = "GET /v1/long?size=200000 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
    const taken = once(hasty.server, "connection");
    const socket = connect(at, "127.0.0.1", () => socket.write(ask));
    socket.pause();
    socket.on("error", () => {});
    await taken;
    const open = () =>
      new Promise<number>((resolve) => hasty.server.getConnections((_error, count) => resolve(count)));
    for (const until = performance.now() + 5_000; ; await new Promise((resume) => setTimeout(resume, 50))) {
      if ((await open()) === 0) break;
      assert.ok(performance.now() < until, "the connection of a reader that does not read stays open");
    }
    socket.destroy();
  });
  test("while 200 hold on, others are served", async () => {
    const sockets = Array.from({ length: 200 }, () => {
      const socket = connect(at, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nX-A: "));
      return socket.on("error", () => {});
    });
    const started = performance.now();
    const answer = await fetch(`http://127.0.0.1:${at}/v1/items/7`);
    assert.equal(answer.status, 200);
    assert.ok(performance.now() - started < 2_000);
    for (const socket of sockets) socket.destroy();
  });
});

test("after all this the server answers as before", async () => {
  assert.equal((await fetch(`http://127.0.0.1:${port}/v1/items/7`)).status, 200);
});
