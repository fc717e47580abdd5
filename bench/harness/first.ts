// What else a machine does takes a core for milliseconds, several times a second. A p99 is then the time to work off what came in those,
// and swings by more than what is to be measured. Processes that go first are not kept waiting by it: all that take part, on both sides.

import { execFileSync } from "node:child_process";
import { Redis } from "ioredis";
import { progress } from "./report.ts";

/** From now on, and until what is returned is called. Only root may ask for it, on Linux; elsewhere all is as it was, and that is said. */
export function putFirst(pids: number[]): () => void {
  const changed: number[] = [];
  const putBack = () => {
    for (const pid of changed)
      try {
        order(pid, "--other", 0);
      } catch {
        // Gone, and what it went of is what the caller is to hear.
      }
  };
  try {
    for (const pid of pids) {
      // The thread that answers; what a process has others do for it waits as everything else does.
      order(pid, "--fifo", 1);
      changed.push(pid);
    }
  } catch (error) {
    putBack();
    progress(`what else this machine does is measured as well: ${(error as Error).message.trim()}`);
    return () => {};
  }
  return putBack;
}

function order(pid: number, policy: "--fifo" | "--other", priority: number): void {
  execFileSync("chrt", [policy, "--pid", String(priority), String(pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
}

export async function pidOfRedis(url: string): Promise<number> {
  const redis = new Redis(url);
  try {
    return Number(/^process_id:(\d+)/m.exec(await redis.info("server"))![1]);
  } finally {
    redis.disconnect();
  }
}
