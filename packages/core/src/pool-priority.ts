// Node's thread pool steps aside for the thread that answers. Where passwords are hashed on every core, a call that takes
// microseconds would otherwise wait for the end of a hash's turn.

import { readdirSync, readFileSync } from "node:fs";
import { setPriority } from "node:os";

/** Of weights in the scheduler a third: little enough to be put aside at once, enough to get on beside other programs. */
const niceness = 5;
let isDone = false;

/** Called once work was handed to the pool, which makes its threads then. Threads have priorities of their own on Linux alone. */
export function yieldPool(): void {
  if (isDone) return;
  isDone = true;
  if (process.platform !== "linux") return;
  try {
    for (const thread of readdirSync("/proc/self/task"))
      if (readFileSync(`/proc/self/task/${thread}/comm`, "utf8").startsWith("libuv-worker"))
        setPriority(Number(thread), niceness);
  } catch {
    // It serves as well at the priority it has.
  }
}
