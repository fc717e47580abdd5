// Hashing: what it costs, how many at once, and when a kept hash is made anew.

import { availableParallelism } from "node:os";
import { hash, verify } from "@node-rs/argon2";
import { yieldPool } from "@signalbox/core/pool-priority";
import { createTurns } from "./turns.ts";

/** argon2id as OWASP advises, unless the configuration says otherwise. */
export type PasswordCost = { memoryCost: number; timeCost: number; parallelism: number };
export const defaultPasswordCost: PasswordCost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

// The library hashes on Node's thread pool. More at once than cores makes none of them faster and all else slower, and one thread
// stays free for what is short: files and names.
const threads = Number(process.env.UV_THREADPOOL_SIZE) || 4;
const atOnce = Math.max(1, Math.min(availableParallelism(), threads - 1));

const inTurn = createTurns({
  atOnce,
  maxWaiting: 512,
  refusal: "too many people sign in at this moment; try again shortly",
  retryAfterMs: 2_000,
  // As long as two hashes take, for each that waited for several.
  companyMs: 20,
});

function onPool<T>(work: () => Promise<T>): Promise<T> {
  return inTurn(() => {
    const working = work();
    yieldPool();
    return working;
  });
}

/** What the machine can do at best, for benchmarks: no place to wait for. */
export const bareHash = (password: string): Promise<string> => hash(password, defaultPasswordCost);

/** Keyboards write the same letter in several ways; one of them is hashed. */
const normal = (password: string) => password.normalize("NFKC");

export const hashPassword = (cost: PasswordCost, password: string): Promise<string> =>
  onPool(() => hash(normal(password), cost));

const startOf = ({ memoryCost, timeCost, parallelism }: PasswordCost) =>
  `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$`;

/** To compare with it takes as long as with any other of that cost; no password gives it. */
const decoyOf = (cost: PasswordCost) => `${startOf(cost)}c2FsdCBvZiBub2JvZHk$${"A".repeat(43)}`;

/** Without a hash to compare with, it takes the same time and says no. */
export async function verifyPassword(
  cost: PasswordCost,
  kept: string | undefined,
  password: string,
): Promise<boolean> {
  const against = kept ?? decoyOf(cost);
  const right = await onPool(() => verify(against, normal(password)));
  return right && kept !== undefined;
}

/** Whether a hash was made at another cost than the one in force. */
export const isOutdated = (cost: PasswordCost, kept: string): boolean => !kept.startsWith(startOf(cost));
