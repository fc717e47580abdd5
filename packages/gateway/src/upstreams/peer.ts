// One instance of a service as this process sees it: its kept-alive connections, what is under way there, and whether it may be asked.

import type { Seen } from "@signalbox/core/registry";
import { currentDeadline, onEnd } from "@signalbox/core/resilience/deadline";
import { type Dispatcher, Pool } from "undici";
import { passHeader } from "./call-pass.ts";
import { createEjection, type Ejection } from "./ejection.ts";

/** Set by a service on an answer that stands for no work: whoever asked may ask another instance, whatever it asked for. */
export const notRunHeader = "signalbox-not-run";
/** Set by a service that is on its way out, on every answer: it wants no new calls. */
export const leavingHeader = "signalbox-leaving";
/** What a verb wants on the answer: headers and status as JSON. */
export const answerHeader = "signalbox-answer";

export type Answered = {
  status: number;
  answer: string | undefined;
  notRun: string | undefined;
  isLeaving: boolean;
  body: Buffer;
};
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
  send(path: string, pass: string, body: string): Promise<Sent>;
  close(): Promise<void>;
};

/** The service keeps idle connections for longer, so that it never closes one in the moment in which a call is sent on it. */
const idleMs = 30_000;
const longestMs = 60_000;
const empty = Buffer.alloc(0);

export function createPeer(first: Seen): Peer {
  const pool = new Pool(first.address!, {
    connections: 256,
    pipelining: 1,
    keepAliveTimeout: idleMs,
    keepAliveMaxTimeout: idleMs,
    headersTimeout: longestMs,
    bodyTimeout: longestMs,
    connect: { timeout: 1_000, noDelay: true, keepAlive: true },
  });
  let underWay = 0;
  let others = 0;

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
    send(path, pass, body) {
      underWay += 1;
      return new Promise((resolve) => {
        const deadline = currentDeadline();
        let controller: Dispatcher.DispatchController | undefined;
        let aborted: Error | undefined;
        const watch =
          deadline &&
          onEnd(deadline, (why) => {
            aborted = why;
            controller?.abort(why);
          });
        const end = (sent: Sent) => {
          watch?.[Symbol.dispose]();
          underWay -= 1;
          resolve(sent);
        };
        let status = 0;
        let answer: string | undefined;
        let notRun: string | undefined;
        let isLeaving = false;
        let received: Buffer = empty;
        pool.dispatch(
          { method: "POST", path, headers: [passHeader, pass], body },
          {
            onRequestStart(started) {
              controller = started;
              if (aborted) started.abort(aborted);
            },
            onResponseStart(_controller, code, headers) {
              status = code;
              answer = headers[answerHeader] as string | undefined;
              notRun = headers[notRunHeader] as string | undefined;
              isLeaving = headers[leavingHeader] !== undefined;
            },
            onResponseData(_controller, chunk) {
              received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
            },
            onResponseEnd: () => end({ status, answer, notRun, isLeaving, body: received }),
            onResponseError: (_controller, error) =>
              end({ failed: controller === undefined ? "unsent" : "broken", error }),
          },
        );
      });
    },
    close: () => pool.close(),
  };
  return peer;
}
