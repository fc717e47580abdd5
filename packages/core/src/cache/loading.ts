// Asking the source: what is asked for in one moment comes in one query, through a narrow gate.

import type { Counters } from "./counters.ts";
import type { LoadGate } from "./load-gate.ts";
import { freeze } from "./stored.ts";

export type Loaded = { value: unknown; json: string | undefined; tookMs: number };

type Waiter = { resolve(loaded: Loaded): void; reject(error: unknown): void };

export const maxBatch = 100;

export function createLoader({
  ask,
  gate,
  counters,
  recent,
}: {
  /** One query: the values of those ids that exist. */
  ask(ids: string[]): Promise<Map<string, unknown>>;
  gate: LoadGate;
  counters: Counters;
  recent: { addFill(tookMs: number): void };
}) {
  let gathering: Map<string, Waiter[]> | undefined;

  async function askNow(ids: string[]) {
    const beganAt = Date.now();
    counters.loads += 1;
    try {
      const values = await ask(ids);
      counters.loadedValues += values.size;
      return { values, tookMs: Date.now() - beganAt };
    } catch (error) {
      counters.loadErrors += 1;
      throw error;
    } finally {
      const tookMs = Date.now() - beganAt;
      counters.loadMs += tookMs;
      recent.addFill(tookMs);
      counters.slowestLoadMs = Math.max(counters.slowestLoadMs, tookMs);
    }
  }

  async function askAll(gathered: Map<string, Waiter[]>): Promise<void> {
    try {
      const { values, tookMs } = await gate.run(() => askNow([...gathered.keys()]));
      for (const [id, waiters] of gathered) {
        const value = values.get(id);
        const json = value === undefined ? undefined : JSON.stringify(value);
        // Read back, so that a value looks the same whether it was loaded here or comes from Redis.
        const loaded = { value: json === undefined ? undefined : freeze(JSON.parse(json)), json, tookMs };
        for (const { resolve } of waiters) resolve(loaded);
      }
    } catch (error) {
      for (const waiters of gathered.values()) for (const { reject } of waiters) reject(error);
    }
  }

  /** Together with the other ids of this moment. */
  return (id: string): Promise<Loaded> =>
    new Promise((resolve, reject) => {
      if (!gathering || gathering.size >= maxBatch) {
        const gathered = new Map<string, Waiter[]>();
        gathering = gathered;
        setImmediate(() => {
          if (gathering === gathered) gathering = undefined;
          void askAll(gathered);
        });
      }
      const waiters = gathering.get(id);
      if (waiters) waiters.push({ resolve, reject });
      else gathering.set(id, [{ resolve, reject }]);
    });
}
