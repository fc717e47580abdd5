// What a module says about the personal data that it holds: every module that holds any has one, in its folder's personal.ts.

import type { Ctx, InTransaction } from "./ctx.ts";

export type Holding = {
  /** The module's name. */
  name: string;
  /** How long each kind is kept while its user stays, for people to read. */
  kept: Record<string, string>;
  /** Everything that the user may have, kind by kind. */
  export(ctx: Ctx, userId: string): AsyncIterable<{ kind: string; record: unknown }>;
  /** What must be gone the moment a person leaves: from here on nobody sees him, and he can not act. */
  leave?(ctx: InTransaction, userId: string): Promise<void>;
  /** The rest, in order. Each step answers how much it took away; it may run again and must end with nothing left. */
  erase: { name: string; run(ctx: Ctx, userId: string): Promise<number> }[];
  /** What goes by age, whoever it belongs to. */
  expire?: { name: string; run(ctx: Expirer): Promise<number> }[];
};

/** What knows how old things are, and how old they may become. */
export type Expirer = Pick<Ctx, "sql" | "live" | "now">;

const batch = 500;

/** Runs a statement that takes at most `batch` rows until it takes none. */
export async function untilNone(take: (limit: number) => Promise<{ count: number }>): Promise<number> {
  for (let total = 0; ; ) {
    const { count } = await take(batch);
    total += count;
    if (count < batch) return total;
  }
}
