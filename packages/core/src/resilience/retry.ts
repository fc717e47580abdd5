// Tries again what may be done twice, later and later and never in step with others, and only as often as the budget allows:
// when everything fails, retries must not be what keeps it failing.

import { setTimeout as pause } from "node:timers/promises";
import { AppError } from "../errors.ts";
import type { Deadline } from "./deadline.ts";

export type RetryBudget = {
  /** Every first attempt adds to what may be tried again. */
  deposit(): void;
  withdraw(): boolean;
  figures(): { left: number; retries: number; denied: number };
};

/** One a dependency. `share`: of a hundred calls so many retries; `reserve`: what a quiet time may spend at once. */
export function createRetryBudget({ share = 0.1, reserve = 10 } = {}): RetryBudget {
  let left = reserve;
  let retries = 0;
  let denied = 0;
  return {
    deposit() {
      left = Math.min(reserve, left + share);
    },
    withdraw() {
      if (left < 1) {
        denied += 1;
        return false;
      }
      left -= 1;
      retries += 1;
      return true;
    },
    figures: () => ({ left: Math.floor(left), retries, denied }),
  };
}

export type RetryOptions = {
  budget: RetryBudget;
  /** What may not be done twice is done once. */
  idempotent: boolean;
  attempts?: number;
  baseMs?: number;
  maxMs?: number;
  isRetryable?: (error: unknown) => boolean;
  deadline?: Deadline | undefined;
};

export async function retry<T>(
  {
    budget,
    idempotent,
    attempts = 3,
    baseMs = 25,
    maxMs = 1_000,
    isRetryable = passesByItself,
    deadline,
  }: RetryOptions,
  work: (attempt: number) => Promise<T>,
): Promise<T> {
  budget.deposit();
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      if (!idempotent || attempt >= attempts || !isRetryable(error)) throw error;
      const waitMs = Math.random() * Math.min(maxMs, baseMs * 2 ** attempt);
      if (deadline && deadline.remainingMs <= waitMs) throw error;
      if (!budget.withdraw()) throw error;
      await pause(waitMs);
      if (deadline?.ended()) throw error;
    }
  }
}

/** Another attempt may find the part back; a refusal of our own would only be refused again. */
const passesByItself = (error: unknown): boolean =>
  !(error instanceof AppError) || error.code === "unavailable";
