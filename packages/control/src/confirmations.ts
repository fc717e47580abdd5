// Who enforces which revision: each process says it, and whoever made a change waits for all who are alive.

import { listen } from "@signalbox/core/listen";
import type { Redis } from "@signalbox/core/redis";
import { z } from "zod";
import { type Confirmation, controlKeys } from "./push.ts";

const confirmation = z.object({
  instance: z.string(),
  revision: z.number(),
  head: z.string(),
  pending: z.number().default(0),
  overridden: z.array(z.string()),
  at: z.number(),
});

export type Confirmed = {
  /** Null: nobody knows who is alive. */
  expected: number | null;
  confirmed: number;
  slowestMs: number | null;
  missing: string[];
};

/** Instances that should confirm, by id; undefined: the registry does not answer. */
export type Expected = () => Promise<{ id: string }[] | undefined>;

export type Confirmations = {
  /** The last word of each instance, from Redis; undefined where that is away. */
  ledger(): Promise<Map<string, Confirmation> | undefined>;
  waitFor(revision: number, since: number, limitMs?: number): Promise<Confirmed>;
  close(): void;
};

export function createConfirmations(deps: {
  redis: Redis;
  expected: Expected;
  /** This process decides by what it committed itself, with or without Redis. */
  own: () => { id: string; revision: number };
  prefix?: string;
}): Confirmations {
  const { redis, expected, own } = deps;
  const keys = controlKeys(deps.prefix);
  /** When we heard of each revision, by our own clock; the clocks of others only put their own words in order. */
  const heard = new Map<string, { revision: number; saidAt: number; at: number }>();
  const waiters = new Set<() => void>();

  const hear = ({ instance, revision, at: saidAt }: Confirmation) => {
    const known = heard.get(instance);
    if (known && (known.saidAt > saidAt || known.revision === revision)) return;
    heard.set(instance, { revision, saidAt, at: performance.now() });
    for (const wake of waiters) wake();
  };

  const subscription = listen(redis, keys.confirmations, {
    message(text) {
      const parsed = confirmation.safeParse(JSON.parse(text));
      if (parsed.success) hear(parsed.data);
    },
  });

  async function ledger() {
    if (redis.status !== "ready") return undefined;
    try {
      const words = await redis.hgetall(keys.confirmed);
      return new Map(
        Object.entries(words).flatMap(([instance, text]) => {
          const parsed = confirmation.safeParse(JSON.parse(text));
          return parsed.success ? [[instance, parsed.data] as const] : [];
        }),
      );
    } catch {
      return undefined;
    }
  }

  return {
    ledger,
    close: () => subscription.close(),
    async waitFor(revision, since, limitMs = 2_000) {
      const self = own();
      if (self.revision >= revision)
        heard.set(self.id, { revision: self.revision, saidAt: Date.now(), at: since });
      const instances = await expected();
      const alive = new Set(instances?.map(({ id }) => id));
      if (instances) for (const id of heard.keys()) if (!alive.has(id) && id !== self.id) heard.delete(id);
      if (instances === undefined)
        return { expected: null, confirmed: self.revision >= revision ? 1 : 0, slowestMs: null, missing: [] };

      const has = ({ id }: { id: string }) => (heard.get(id)?.revision ?? -1) >= revision;
      const end = since + limitMs;
      while (!instances.every(has) && performance.now() < end) {
        await new Promise<void>((resolve) => {
          const wake = () => {
            clearTimeout(timer);
            waiters.delete(wake);
            resolve();
          };
          // A word that was lost on the way is in the ledger.
          const timer = setTimeout(
            async () => {
              for (const word of (await ledger())?.values() ?? []) hear(word);
              wake();
            },
            Math.min(250, end - performance.now()),
          );
          waiters.add(wake);
        });
      }
      const confirmed = instances.filter(has);
      const delays = confirmed.map(({ id }) => Math.max(0, heard.get(id)!.at - since));
      return {
        expected: instances.length,
        confirmed: confirmed.length,
        slowestMs: delays.length === 0 ? null : Math.round(Math.max(...delays) * 10) / 10,
        missing: instances.filter((instance) => !has(instance)).map(({ id }) => id),
      };
    },
  };
}
