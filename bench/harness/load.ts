// Load over plain sockets: each connection sends its next request when the last answer is complete. Parsing an answer
// would cost more than serving it, so the first tells how long all are, and the rest is counting bytes.

import { connect, type Socket } from "node:net";

export type Target = { port: number; request: string; status: number };

const connections = 32;

/** Answers a second over `ms`, from connections that are opened and warm before the clock starts. */
export async function load({ port, request, status }: Target, ms: number): Promise<number> {
  const bytes = Buffer.from(request);
  const length = await measureAnswer(port, bytes, status);
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
  let answers = 0;
  let going = true;
  const failures: Error[] = [];
  for (const socket of sockets) {
    let missing = length;
    socket.on("error", (error) => failures.push(error));
    socket.on("data", (chunk: Buffer) => {
      missing -= chunk.length;
      if (missing > 0) return;
      if (missing < 0) failures.push(new Error("an answer is longer than the first one was"));
      missing = length;
      answers += 1;
      if (going) socket.write(bytes);
    });
    socket.write(bytes);
  }
  const began = process.hrtime.bigint();
  await new Promise((resolve) => setTimeout(resolve, ms));
  const rate = answers / (Number(process.hrtime.bigint() - began) / 1e9);
  going = false;
  for (const socket of sockets) socket.destroy();
  if (failures[0]) throw failures[0];
  return rate;
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(socket));
    socket.once("error", reject);
  });
}

async function measureAnswer(port: number, request: Buffer, status: number): Promise<number> {
  const socket = await open(port);
  socket.write(request);
  let text = "";
  for await (const chunk of socket) {
    text += chunk;
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    if (!text.startsWith(`HTTP/1.1 ${status} `)) throw new Error(`expected ${status}: ${text}`);
    if (/transfer-encoding: chunked/i.test(text)) {
      if (text.endsWith("0\r\n\r\n")) break;
    } else if (text.length >= end + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1])) break;
  }
  socket.destroy();
  return Buffer.byteLength(text);
}
