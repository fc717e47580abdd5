// A read model: a copy that is made from the truth, and how it is gone over while everyone uses it.

import type { Ctx } from "../ctx.ts";

export type Step = {
  done: number;
  wrong: number;
  /** The last thing that was gone over; null: there is no other. */
  after: string | null;
};

export type ReadModel = {
  name: string;
  module: string;
  text: string;
  /** About how many things there are to go over. */
  total(ctx: Ctx): Promise<number>;
  /** Goes over the next few things, while everyone goes on using them: what differs from the truth is counted, and healed if asked to. */
  step(ctx: Ctx, after: string | null, options: { heals: boolean }): Promise<Step>;
};
