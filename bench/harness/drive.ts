// Full load, or load at a rate, with requests that differ and answers that differ in length. Bytes are looked at where the socket
// left them and never made into text, so that this side stays cheaper than the cheapest server and collects no garbage of its own.

import { connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";

/** Milliseconds that nothing takes: a number that can be told and subtracted. */
export const never = 1e9;
const napMs = 0.1;
/** Many naps; a look at what is due that comes later was kept from the processor. */
const lateMs = 0.5;
/** Wakes no one, so that whoever waits for it sleeps to the end of his time. */
const nobody = new Int32Array(new SharedArrayBuffer(4));

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
  /**
   * Milliseconds until each answer at a fixed rate: no request waits for the answer to another, so a slow server is asked as often
   * as a fast one, and where all connections are busy the wait for one counts. Between two sendings this process sleeps, because
   * a spinning one would take the processor from the server; a tenth of a millisecond only, as with a timer's millisecond the
   * requests would come in heaps. What this process could not send while it was kept from the processor is not sent all at once
   * either, for the same reason: everything that is due moves by that time, which `movedMs` counts. What was refused took `never`.
   */
  pace(load: { rate: number; ms: number }): Promise<Float64Array>;
  /** 503s so far: they are no answers. */
  readonly refused: number;
  readonly movedMs: number;
  close(): void;
};

export async function openDriver(port: number, requests: Buffer[], connections = 32): Promise<Driver> {
  let next = 0;
  let answers = 0;
  let refused = 0;
  let movedMs = 0;
  let going = false;
  let under = 0;
  let left = Number.POSITIVE_INFINITY;
  let fault: Error | undefined;
  let idle: () => void = () => {};
  let paced: Paced | undefined;

  const stop = (error: Error) => {
    fault ??= error;
    going = false;
    idle();
  };
  const give = (lane: Lane) => {
    under += 1;
    lane.socket.write(requests[next]!);
    next = next + 1 === requests.length ? 0 : next + 1;
  };
  const send = (lane: Lane) => {
    if (!going || left === 0) {
      if (under === 0) idle();
      return;
    }
    left -= 1;
    give(lane);
  };
  const take = (lane: Lane, chunk: Buffer) => {
    const bytes = lane.held ? Buffer.concat([lane.held, chunk]) : chunk;
    const total = lengthOf(bytes);
    if (total === undefined || bytes.length < total) {
      // The socket writes over it next.
      lane.held = lane.held ? bytes : Buffer.from(bytes);
      return;
    }
    lane.held = undefined;
    under -= 1;
    const isOk = begins(bytes, ok);
    if (isOk) answers += 1;
    else refused += 1;
    if (bytes.length > total || !(isOk || begins(bytes, shed)))
      stop(new Error(`not what was asked for: ${bytes.toString("latin1", 0, 400)}`));
    else if (paced) paced.answered(lane, isOk);
    else send(lane);
  };
  const lanes = await Promise.all(Array.from({ length: connections }, () => open(port, take)));
  for (const { socket } of lanes) {
    socket.on("error", stop);
    socket.on("close", () => stop(new Error("the server closed a connection")));
  }

  async function go(): Promise<void> {
    if (fault) throw fault;
    going = true;
    const done = new Promise<void>((resolve) => {
      idle = resolve;
    });
    for (const lane of lanes) send(lane);
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
    async pace({ rate, ms }) {
      const total = Math.floor((rate * ms) / 1_000);
      const took = new Float64Array(total);
      const free = [...lanes];
      // When what waits for a free connection was due.
      const waiting: number[] = [];
      let done = 0;
      const begin = (lane: Lane, dueAt: number) => {
        lane.sentAt = dueAt;
        give(lane);
      };
      paced = {
        answered(lane, isOk) {
          took[done++] = isOk ? performance.now() - lane.sentAt : never;
          const dueAt = waiting.shift();
          if (dueAt === undefined) free.push(lane);
          else begin(lane, dueAt);
        },
      };
      try {
        let began = performance.now();
        let looked = began;
        for (let sent = 0; done < total && !fault; ) {
          const now = performance.now();
          const late = Math.max(0, now - looked - lateMs);
          began += late;
          movedMs += late;
          looked = now;
          for (
            const due = Math.min(total, Math.floor(((now - began) * rate) / 1_000));
            sent < due;
            sent += 1
          ) {
            const lane = free.pop();
            if (lane) begin(lane, now);
            else waiting.push(now);
          }
          Atomics.wait(nobody, 0, 0, napMs);
          await turn();
        }
      } finally {
        paced = undefined;
      }
      if (fault) throw fault;
      return took;
    },
    get refused() {
      return refused;
    },
    get movedMs() {
      return movedMs;
    },
    close() {
      for (const { socket } of lanes) socket.removeAllListeners("close").destroy();
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

type Lane = { socket: Socket; held: Buffer | undefined; sentAt: number };
type Paced = { answered(lane: Lane, isOk: boolean): void };

function open(port: number, take: (lane: Lane, chunk: Buffer) => void): Promise<Lane> {
  return new Promise((resolve, reject) => {
    const onread = {
      // One for all that it reads: no garbage.
      buffer: Buffer.allocUnsafe(16_384),
      callback(size: number, buffer: Uint8Array) {
        take(lane, (buffer as Buffer).subarray(0, size));
        return true;
      },
    };
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, onread }, () => resolve(lane));
    const lane: Lane = { socket, held: undefined, sentAt: 0 };
    socket.once("error", reject);
  });
}
