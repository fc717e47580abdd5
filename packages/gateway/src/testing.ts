// A call as the doors make it, for the tests of stages.

import { Deadline } from "@signalbox/core/resilience/deadline";
import type { Call, Stage } from "./pipeline.ts";

export function testCall(given: Partial<Call> = {}): Call {
  const name = given.name ?? "feed.post.create";
  return {
    name,
    service: name.slice(0, name.indexOf(".")),
    priority: "normal",
    weight: 1,
    caller: { kind: "user", id: "user-1", address: "192.0.2.1" },
    requestId: "request-1",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    variant: "stable",
    headers: {},
    startedAt: performance.now(),
    deadline: new Deadline(10_000),
    ...given,
  };
}

/** A stage whose answer is always waited for, so that a refusal at once and one after a while look the same. */
export const awaited =
  (stage: Stage) =>
  async <T>(call: Call, next: () => T | Promise<T>): Promise<T> =>
    stage(call, next);
