// One kept-alive connection that reads each answer as it is: for loads whose answers differ in length, and for latencies.

import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

type HttpAnswer = { status: number; body: string };

export type Connection = { ask(request: string): Promise<HttpAnswer>; close(): void };

type Asked = { resolve(answer: HttpAnswer): void; reject(error: Error): void };

/** Requests are answered in order; a second one may be sent before the first is answered. */
export function openConnection(port: number): Promise<Connection> {
  return new Promise((opened, failed) => {
    const asked: Asked[] = [];
    let text = "";
    let fault: Error | undefined;
    const take = (chunk: string) => {
      text = text === "" ? chunk : text + chunk;
      while (text !== "") {
        const head = text.indexOf("\r\n\r\n");
        if (head < 0) return;
        const end = head + 4 + lengthOf(text, head);
        if (text.length < end) return;
        const answer = { status: Number(text.slice(9, 12)), body: text.slice(head + 4, end) };
        text = text.slice(end);
        asked.shift()?.resolve(answer);
      }
    };
    const onread = {
      // One for all that it reads, and past the machinery of streams: what this side saves is the server's.
      buffer: Buffer.allocUnsafe(16_384),
      callback(size: number, buffer: Uint8Array) {
        // A sign a byte, so that lengths are those of bodies.
        take((buffer as Buffer).toString("latin1", 0, size));
        return true;
      },
    };
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, onread });
    const fail = (error: Error) => {
      fault = error;
      failed(error);
      for (const each of asked.splice(0)) each.reject(error);
    };
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("the server closed the connection")));
    socket.once("connect", () =>
      opened({
        ask: (request) =>
          new Promise((resolve, reject) => {
            if (fault) return reject(fault);
            asked.push({ resolve, reject });
            socket.write(request);
          }),
        close: () => socket.destroy(),
      }),
    );
  });
}

function lengthOf(text: string, head: number): number {
  // As the servers here write it; a search for any spelling would cost more than all the rest.
  const at = text.indexOf("\r\ncontent-length: ");
  if (at >= 0 && at < head) return Number(text.slice(at + 18, text.indexOf("\r\n", at + 18)));
  return Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0);
}

export const openConnections = (port: number, count: number): Promise<Connection[]> =>
  Promise.all(Array.from({ length: count }, () => openConnection(port)));

/** Answers a second with every connection busy all the time. */
export async function saturate(
  connections: Connection[],
  ms: number,
  next: () => string,
): Promise<{ rate: number; failures: number }> {
  let answers = 0;
  let failures = 0;
  const began = performance.now();
  const end = began + ms;
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() < end) {
        const { status } = await connection.ask(next());
        if (status === 200) answers += 1;
        else failures += 1;
      }
    }),
  );
  return { rate: (answers / (performance.now() - began)) * 1_000, failures };
}

/**
 * Latencies at a fixed rate: no request waits for the answer to another, so a slow server is asked as often as a fast one.
 * Between two sendings this process sleeps, because a spinning one would take the processor from the server.
 */
export async function pace(
  connections: Connection[],
  { rate, ms }: { rate: number; ms: number },
  next: () => string,
): Promise<{ latencies: number[]; failures: number }> {
  const total = Math.floor((rate * ms) / 1_000);
  const latencies: number[] = [];
  let failures = 0;
  let under = 0;
  const began = performance.now();
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - began) * rate) / 1_000));
    for (; sent < due; sent += 1) {
      const sentAt = performance.now();
      under += 1;
      connections[sent % connections.length]!.ask(next()).then(
        ({ status }) => {
          under -= 1;
          latencies.push(performance.now() - sentAt);
          if (status !== 200) failures += 1;
        },
        () => {
          under -= 1;
          failures += 1;
        },
      );
    }
    await pause(1);
  }
  while (under > 0) await pause(1);
  return { latencies, failures };
}

export function percentile(values: number[] | Float64Array, share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
