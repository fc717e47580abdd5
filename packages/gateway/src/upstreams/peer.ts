// One instance of a service as this process sees it: the connection there, what is under way on it, and whether it may be asked.

import { connect, type Socket } from "node:net";
import { Passing } from "@signalbox/core/passing";
import type { Seen } from "@signalbox/core/registry";
import { currentDeadline, onEnd } from "@signalbox/core/resilience/deadline";
import { type CallPass, passHeader } from "./call-pass.ts";
import { createEjection, type Ejection } from "./ejection.ts";
import { kinds, type Line, openLine, pack, unpack } from "./frames.ts";

/** The path and the protocol under which a service takes calls. */
export const callsPath = "/calls";
export const callsProtocol = "signalbox-calls-1";
/** Status of an answer that stands for no work: another instance may be asked, whatever was asked for. */
export const notRun = 0;

/** `told` is what a verb wants on the answer, as JSON; where it did not run, why. */
export type Answered = { status: number; told: string; body: string };
/** Not a byte of the call was sent: `unsent`. It may have been worked on all the same: `broken`. */
export type Sent = Answered | { failed: "unsent" | "broken"; error: Error };

export type Peer = {
  instance: Seen;
  readonly track: "stable" | "canary";
  readonly zone: string;
  readonly load: number;
  readonly ejection: Ejection;
  /** Said by itself or by the registry: it is on its way out. */
  isLeaving: boolean;
  /** When the registry last had it. */
  listedAt: number;
  learn(instance: Seen): void;
  send(name: string, context: object, body: string): Promise<Sent>;
  close(): void;
};

const connectMs = 1_000;

type Waiting = { frame: Buffer | undefined; end(sent: Sent): void };
type Link = { socket: Socket; line: Line | undefined; calls: Passing<number, Waiting> };

export function createPeer(first: Seen, pass: CallPass, onLeaving: () => void): Peer {
  const { hostname, port } = new URL(first.address!);
  let link: Link | undefined;
  let underWay = 0;
  let others = 0;
  let lastId = 0;
  let isClosing = false;

  function open(): Link {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port), noDelay: true });
    const opened: Link = { socket, line: undefined, calls: new Passing() };
    const timer = setTimeout(() => socket.destroy(new Error("no connection in time")), connectMs);
    let fault = new Error("the instance closed the connection");
    socket.setKeepAlive(true, 10_000);
    socket.once("connect", () =>
      socket.write(
        `GET ${callsPath} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: Upgrade\r\nUpgrade: ${callsProtocol}\r\n${passHeader}: ${pass.make()}\r\n\r\n`,
      ),
    );
    let answer = Buffer.alloc(0);
    const greet = (chunk: Buffer): void => {
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf("\r\n\r\n");
      if (end < 0) return;
      const status = answer.toString("latin1", 9, 12);
      if (status !== "101") {
        socket.destroy(new Error(`it answered ${status} instead of taking calls`));
        return;
      }
      clearTimeout(timer);
      socket.off("data", greet);
      opened.line = openLine(socket, hear, answer.subarray(end + 4));
      for (const [, call] of opened.calls.all()) dispatch(opened, call);
    };
    socket.on("data", greet);
    socket.on("error", (error) => {
      fault = error;
    });
    socket.on("close", () => {
      clearTimeout(timer);
      if (link === opened) link = undefined;
      for (const [, { frame, end }] of opened.calls.all())
        end({ failed: frame === undefined ? "broken" : "unsent", error: fault });
    });

    function hear({ id, kind, payload }: { id: number; kind: number; payload: Buffer }): void {
      if (kind === kinds.leaving) {
        peer.isLeaving = true;
        onLeaving();
        return;
      }
      const call = opened.calls.get(id);
      // An answer to what was given up meanwhile.
      if (!call) return;
      const { code, head, body } = unpack(payload);
      call.end({ status: code, told: head, body });
    }
    return opened;
  }

  function dispatch({ line }: Link, call: Waiting): void {
    if (line === undefined || call.frame === undefined) return;
    line.send(call.frame);
    call.frame = undefined;
  }

  const peer: Peer = {
    instance: first,
    track: first.track,
    zone: first.zone,
    get load() {
      return underWay + others;
    },
    ejection: createEjection(),
    isLeaving: false,
    listedAt: performance.now(),
    learn(instance) {
      peer.instance = instance;
      peer.listedAt = performance.now();
      // What it says includes what we have there ourselves.
      others = Math.max(0, instance.load - underWay);
    },
    send(name, context, body) {
      underWay += 1;
      link ??= open();
      const at = link;
      lastId = (lastId + 1) >>> 0;
      const id = lastId;
      return new Promise((resolve) => {
        const deadline = currentDeadline();
        const watch =
          deadline &&
          onEnd(deadline, (error) => {
            at.line?.send(pack({ id, kind: kinds.cancel, head: "", body: "" }));
            call.end({ failed: "broken", error });
          });
        const call: Waiting = {
          frame: pack({ id, kind: kinds.call, head: `${name}\n${JSON.stringify(context)}`, body }),
          end(sent) {
            at.calls.delete(id);
            watch?.[Symbol.dispose]();
            underWay -= 1;
            resolve(sent);
            if (isClosing && at.calls.size === 0) at.socket.end();
          },
        };
        at.calls.set(id, call);
        dispatch(at, call);
      });
    },
    close() {
      isClosing = true;
      if (link && link.calls.size === 0) link.socket.end();
    },
  };
  return peer;
}
