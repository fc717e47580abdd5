// What every call passes on its way in, and how the stages nest. A stage knows no other stage and no framework.

import type { Limit } from "@signalbox/control/evaluate";
import type { Deadline } from "@signalbox/core/resilience/deadline";

/** Its fields are the attributes that switches can have for targets. */
export type Caller = {
  kind: "guest" | "user" | "operator" | "job";
  /** Whose share and limit it is: the user's id, or the address of a guest. */
  id: string;
  address: string;
  user?: string;
  /** Of a user: `user` or `moderator`; else what `kind` says. */
  role?: string;
  /** As the caller's app, or the proxy before us, says. */
  region?: string;
  appVersion?: string;
  /** The id of the application that calls for its user. */
  application?: string;
};

const isAttribute: Record<keyof Caller, true> = {
  ...{ user: true, role: true, kind: true, application: true, region: true, appVersion: true },
  ...{ id: true, address: true },
};
export const callerAttributes: readonly string[] = Object.keys(isAttribute);

/** A limit, and whose calls it counts. */
export type Ask = { limit: Limit; subject: string };

/** One call of the address, counted before anything else was known. The calls of a batch share it. */
export type Toll = Ask & { left: number; prepaid: number };

export type Call = {
  /** `<module>.<noun>.<verb>`: the one name of a procedure in switches, limits, signals and traces. */
  name: string;
  service: string;
  priority: "critical" | "normal" | "background";
  caller: Caller;
  /** How much of a limit it takes, compared with an ordinary call, unless operators say otherwise. */
  weight: number;
  /** What its request has paid at the edge already. */
  toll?: Toll;
  /** The limit of the program that calls for its user, where that has one of its own. */
  application?: Ask;
  requestId: string;
  traceparent: string;
  /** The span of whoever called us, where it sent one: what the call's own span hangs below. */
  parentSpanId?: string;
  /** Set by the canary stage; the handler's ctx reads it. */
  variant: "stable" | "canary";
  /** What a tester asked for: the id of a canary, or `<id>=stable`. */
  override?: string;
  /** The canary that the call takes part in, and on which side; `asked`: by a tester, and so no evidence. */
  arm?: { canary: string; side: "stable" | "canary"; asked: boolean };
  /** Headers that a stage wants on the answer, of a refusal too. */
  headers: Record<string, string>;
  startedAt: number;
  /**
   * Who counts what came of it, until somebody has taken that over: whoever follows its work anyway tells, so that a call is not
   * followed twice.
   */
  teller?: Teller;
  /** When its work was over, by the same clock; absent: it is not, or was never begun. */
  endedAt?: number;
  /** Until when an answer is of use, and whether the caller still waits for it. */
  deadline: Deadline;
  /** Its verb runs in another process, which counts it once it has answered. */
  elsewhere?: {
    counted: boolean;
    /** Meant for the canary track, and answered by another instance. */
    escaped?: boolean;
  };
};

export type Teller = { answered(call: Call): void; failed(call: Call, error: unknown): void };

/** A stage refuses by throwing, and waits only where it or what is behind it must: then it answers with a promise. */
export type Stage = <T>(call: Call, next: () => T | Promise<T>) => T | Promise<T>;

export function pipeline([stage, ...inner]: Stage[]): Stage {
  if (!stage) return (_call, handler) => handler();
  if (inner.length === 0) return stage;
  const next = pipeline(inner);
  return (call, handler) => stage(call, () => next(call, handler));
}
