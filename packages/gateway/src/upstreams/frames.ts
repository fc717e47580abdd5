// How calls travel between processes of an install: frames on one connection, many calls under way at once, and what a turn of
// the event loop says goes out as one write. HTTP for each call cost more than the work of most calls.
//   length u32 | id u32 | kind u8 | payload

import type { Socket } from "node:net";

export const kinds = { call: 1, answer: 2, cancel: 3, leaving: 4 } as const;

export type Frame = { id: number; kind: number; payload: Buffer };
/** Two texts that belong together; either may be empty. `code` is an answer's status. */
type Parts = { id: number; kind: number; code?: number; head: string; body: string };

const headBytes = 9;
/** A body of the public port is at most 1 MiB; written anew as JSON it may grow, and so may an answer. */
const maxFrameBytes = 64 * 1_048_576;

/** payload: code u16 | length of head u32 | head | body */
export function pack({ id, kind, code = 0, head, body }: Parts): Buffer {
  const headLength = Buffer.byteLength(head);
  const length = headBytes + 6 + headLength + Buffer.byteLength(body);
  const frame = Buffer.allocUnsafe(length);
  frame.writeUInt32BE(length - 4, 0);
  frame.writeUInt32BE(id, 4);
  frame[8] = kind;
  frame.writeUInt16BE(code, 9);
  frame.writeUInt32BE(headLength, 11);
  frame.write(head, 15);
  frame.write(body, 15 + headLength);
  return frame;
}

export function unpack(payload: Buffer): { code: number; head: string; body: string } {
  const until = 6 + payload.readUInt32BE(2);
  return {
    code: payload.readUInt16BE(0),
    head: payload.toString("utf8", 6, until),
    body: payload.toString("utf8", until),
  };
}

export type Line = { send(frame: Buffer): void };

/** Reads frames off a socket and gathers what is sent on it. */
export function openLine(socket: Socket, hear: (frame: Frame) => void, first?: Buffer): Line {
  let held: Buffer | undefined;
  const read = (chunk: Buffer): void => {
    const bytes = held ? Buffer.concat([held, chunk]) : chunk;
    held = undefined;
    let at = 0;
    while (bytes.length - at >= 4) {
      const length = bytes.readUInt32BE(at);
      if (length < headBytes - 4 || length > maxFrameBytes) {
        socket.destroy(new Error("what came is no frame"));
        return;
      }
      if (bytes.length - at < 4 + length) break;
      hear({
        id: bytes.readUInt32BE(at + 4),
        kind: bytes[at + 8]!,
        payload: bytes.subarray(at + headBytes, at + 4 + length),
      });
      at += 4 + length;
    }
    if (at < bytes.length) held = bytes.subarray(at);
  };
  socket.on("data", read);
  if (first && first.length > 0) read(first);

  let waiting: Buffer[] = [];
  const flush = (): void => {
    const [only, ...more] = waiting;
    if (!socket.destroyed) socket.write(more.length === 0 ? only! : Buffer.concat(waiting));
    waiting = [];
  };
  return {
    send(frame) {
      if (waiting.push(frame) === 1) setImmediate(flush);
    },
  };
}
