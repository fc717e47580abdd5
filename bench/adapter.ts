// What the doors cost: ours against tRPC's own Fastify plugin on the same procedures, and REST against bare node:http
// answering the same bytes. Gateway and ctx are empty on all sides; servers and load are processes of their own.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createSampleApp, createSampleCtx, sampleRouter } from "@signalbox/api/adapter/testing";
import { fastifyTRPCPlugin } from "@trpc/server/adapters/fastify";
import fastify from "fastify";
import { load, type Target } from "./harness/load.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const rounds = 15;
const roundMs = 400;
const warmUpMs = 2_000;

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`;
const post = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer user\r\nContent-Type: application/json\r\n` +
  `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const requests = {
  query: get(`/trpc/sample.item.read?input=${encodeURIComponent('{"id":"7"}')}`),
  mutation: post("/trpc/sample.item.create", '{"text":"hello"}'),
  rest: get("/v1/items/7"),
};

const servers: Record<string, () => Promise<number>> = {
  async ours() {
    const app = await createSampleApp();
    await app.listen({ port: 0, host: "127.0.0.1" });
    return (app.server.address() as AddressInfo).port;
  },
  async stock() {
    const createCtx = createSampleCtx();
    const app = fastify();
    app.register(fastifyTRPCPlugin, {
      prefix: "/trpc",
      trpcOptions: {
        router: sampleRouter,
        createContext: ({ req }: { req: Parameters<typeof createCtx>[0] }) => createCtx(req),
      },
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    return (app.server.address() as AddressInfo).port;
  },
  async bare() {
    const app = await createSampleApp();
    const { body, headers } = await app.inject({ url: "/v1/items/7" });
    const { date: _date, connection: _connection, ...same } = headers;
    await app.close();
    const server = createServer((_request, response) => {
      response.writeHead(200, same as Record<string, string>);
      response.end(body);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  },
};

const children: ChildProcess[] = [];

async function start(role: string, words: string[] = []): Promise<ChildProcess> {
  const child = fork(import.meta.filename, [role, ...words], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  children.push(child);
  return child;
}

async function startServer(role: string): Promise<number> {
  const [port] = (await once(await start(role), "message")) as [number];
  return port;
}

async function measure(): Promise<void> {
  const [ours, stock, bare] = (await Promise.all(["ours", "stock", "bare"].map(startServer))) as [
    number,
    number,
    number,
  ];
  const client = await start("load");
  const rate = async (target: Target, ms: number): Promise<number> => {
    client.send({ target, ms });
    const [answer] = (await once(client, "message")) as [{ rate?: number; failed?: string }];
    if (answer.rate === undefined) throw new Error(answer.failed);
    return answer.rate;
  };
  /** A B A B, so that whatever else the machine does falls on both. */
  const compare = async (name: string, a: Target, b: Target): Promise<number> => {
    await rate(a, warmUpMs);
    await rate(b, warmUpMs);
    const pairs: [number, number][] = [];
    for (let round = 0; round < rounds; round++) pairs.push([await rate(a, roundMs), await rate(b, roundMs)]);
    const [mine, peer] = [0, 1].map((side) => Math.round(median(pairs.map((pair) => pair[side]!))));
    progress(`${name}: ${mine}/s against ${peer}/s`);
    return median(pairs.map(([mine, peer]) => mine / peer));
  };
  const at = (port: number, request: string): Target => ({ port, request, status: 200 });

  const query = await compare("query", at(ours, requests.query), at(stock, requests.query));
  const mutation = await compare("mutation", at(ours, requests.mutation), at(stock, requests.mutation));
  const rest = await compare("REST", at(ours, requests.rest), at(bare, requests.rest));
  const against = { unit: "x", better: "higher" as const };
  report("adapter", [
    figure("tRPC query, ours / stock plugin", query, { ...against, bar: 3.5 }),
    figure("tRPC mutation, ours / stock plugin", mutation, { ...against, bar: 3.5 }),
    figure("REST read, ours / bare node:http", rest, { ...against, bar: 0.6 }),
  ]);
}

const role = process.argv[2] ?? "";
if (process.send && servers[role]) {
  process.send(await servers[role]());
} else if (process.send && role === "load") {
  process.on("message", ({ target, ms }: { target: Target; ms: number }) =>
    load(target, ms).then(
      (rate) => process.send?.({ rate }),
      (error: Error) => process.send?.({ failed: error.message }),
    ),
  );
} else {
  try {
    await measure();
  } finally {
    for (const child of children) child.kill();
  }
}
