// A refusal is an answer and not a fault of ours: made without a stack, because under a flood the stacks would be the load.

import { AppError, type ErrorCode } from "@signalbox/core/errors";

export function refusal(code: ErrorCode, detail: string, retryAfterMs: number): AppError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return new AppError(code, detail, { retryAfterMs });
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

export const usedUp = (key: string, waitMs: number): AppError =>
  refusal(
    "rate_limited",
    `too many calls: the limit "${key}" is used up, try again shortly`,
    Math.ceil(waitMs),
  );
