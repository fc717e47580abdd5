// Full load with requests that differ, and answers that differ in length: each connection sends the next request as soon as its
// answer is complete. Bytes are looked at, never made into text, so that this side stays cheaper than the cheapest server.

import { connect, type Socket } from "node:net";

const headEnd = Buffer.from("\r\n\r\n");
const lengthName = Buffer.from("content-length: ");
const ok = Buffer.from("HTTP/1.1 200");
const shed = Buffer.from("HTTP/1.1 503");
const begins = (bytes: Buffer, start: Buffer) => bytes.compare(start, 0, start.length, 0, start.length) === 0;

export type Driver = {
  /** Answers a second over so many milliseconds; the requests are taken in turn, going on where the last run ended. */
  run(ms: number): Promise<number>;
  /** Every request once. */
  all(): Promise<void>;
  /** 503s so far: they are no answers. */
  readonly refused: number;
  close(): void;
};

export async function openDriver(port: number, requests: Buffer[], connections = 32): Promise<Driver> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
  let next = 0;
  let answers = 0;
  let refused = 0;
  let going = false;
  let under = 0;
  let left = Number.POSITIVE_INFINITY;
  let fault: Error | undefined;
  let idle: () => void = () => {};

  const stop = (error: Error) => {
    fault ??= error;
    going = false;
    idle();
  };
  const send = (socket: Socket) => {
    if (!going || left === 0) {
      if (under === 0) idle();
      return;
    }
    left -= 1;
    under += 1;
    socket.write(requests[next]!);
    next = next + 1 === requests.length ? 0 : next + 1;
  };
  for (const socket of sockets) {
    let held: Buffer | undefined;
    socket.on("error", stop);
    socket.on("close", () => stop(new Error("the server closed a connection")));
    socket.on("data", (chunk: Buffer) => {
      const bytes = held ? Buffer.concat([held, chunk]) : chunk;
      const total = lengthOf(bytes);
      if (total === undefined || bytes.length < total) {
        held = bytes;
        return;
      }
      held = undefined;
      under -= 1;
      const isOk = begins(bytes, ok);
      if (isOk) answers += 1;
      else refused += 1;
      if (bytes.length > total || !(isOk || begins(bytes, shed)))
        stop(new Error(`not what was asked for: ${bytes.toString("latin1", 0, 400)}`));
      else send(socket);
    });
  }

  async function go(): Promise<void> {
    going = true;
    const done = new Promise<void>((resolve) => {
      idle = resolve;
    });
    for (const socket of sockets) send(socket);
    await done;
    if (fault) throw fault;
  }

  return {
    async run(ms) {
      left = Number.POSITIVE_INFINITY;
      answers = 0;
      let rate = 0;
      const began = process.hrtime.bigint();
      setTimeout(() => {
        rate = answers / (Number(process.hrtime.bigint() - began) / 1e9);
        going = false;
      }, ms);
      await go();
      return rate;
    },
    async all() {
      left = requests.length;
      await go();
    },
    get refused() {
      return refused;
    },
    close() {
      for (const socket of sockets) socket.removeAllListeners("close").destroy();
    },
  };
}

/** Of the whole answer; undefined while its head is not complete. */
function lengthOf(bytes: Buffer): number | undefined {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return undefined;
  let at = bytes.indexOf(lengthName);
  if (at < 0 || at > end) throw new Error("an answer without content-length");
  let length = 0;
  for (at += lengthName.length; bytes[at]! !== 13; at++) length = length * 10 + bytes[at]! - 48;
  return end + 4 + length;
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(socket));
    socket.once("error", reject);
  });
}
