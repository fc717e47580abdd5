// What operators see of the database while it does not answer: what is known without it, and soon.

import { inTime, TookTooLong } from "@signalbox/control/in-time";
import { isPartAway } from "../run-jobs.ts";

/** Well within the time of a call, which ends in a refusal. */
const patienceMs = 3_000;

/** Undefined: the database is away, or hangs. */
export async function orAway<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await inTime(work(), patienceMs);
  } catch (error) {
    if (error instanceof TookTooLong || isPartAway(error)) return undefined;
    throw error;
  }
}
