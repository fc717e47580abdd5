// W3C trace context and request ids: accepted when sane, made otherwise, carried everywhere as two short strings.

import { randomBytes } from "node:crypto";
import { newId } from "./ids.ts";

export type TraceContext = { traceId: string; spanId: string; sampled: boolean };

const traceparentForm = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const requestIdForm = /^[A-Za-z0-9._~-]{8,128}$/;

export function readTraceparent(header: string | undefined): TraceContext | undefined {
  const match = header === undefined ? null : traceparentForm.exec(header);
  if (!match || header!.startsWith("ff") || (header!.startsWith("00") && match[4])) return undefined;
  const [, traceId = "", spanId = "", flags = "00"] = match;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

// Made into text once for many: a slice of it costs next to nothing.
let entropy = "";
let used = 0;
function randomHex(bytes: number): string {
  if (used + 2 * bytes > entropy.length) {
    entropy = randomBytes(4_096).toString("hex");
    used = 0;
  }
  used += 2 * bytes;
  return entropy.slice(used - 2 * bytes, used);
}

/** A span of this process: the caller's trace goes on, or a new one begins. */
export function childOf(parent: TraceContext | undefined): TraceContext {
  return {
    traceId: parent?.traceId ?? randomHex(16),
    spanId: randomHex(8),
    sampled: parent?.sampled ?? true,
  };
}

export const formatTraceparent = ({ traceId, spanId, sampled }: TraceContext) =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;

export const acceptRequestId = (header: unknown): string =>
  typeof header === "string" && requestIdForm.test(header) ? header : newId();
