// Where a write meets its queue: a procedure that may wait is tried under a key, and kept where it finds no database.

import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { isDatabaseAway } from "@signalbox/db";
import type { AsUser, Ctx } from "../ctx.ts";

type Asked = { name: string; raw: () => unknown };

/** Undefined: this one is not kept, whatever happens. */
export function keeper(ctx: Ctx, { name, raw }: Asked) {
  const { writes, actor } = ctx;
  if (!writes || actor.kind !== "user" || !writes.isOn(name)) return undefined;
  const keyed = ctx as AsUser;
  const key = ctx.idempotencyKey ?? `write-${newId()}`;
  const take = async (): Promise<never> => {
    throw await writes.take(keyed, { name, raw: raw() ?? null, key });
  };
  return {
    key,
    async run<T>(attempt: () => T | Promise<T>): Promise<T> {
      // Behind his own that wait, so that they come in his order.
      if (writes.holds(actor.id)) return take();
      try {
        return await attempt();
      } catch (error) {
        return isAway(error) ? take() : Promise.reject(error);
      }
    },
  };
}

const isAway = (thrown: unknown): boolean => {
  for (let at: unknown = thrown; at instanceof Error; at = at.cause)
    if (at instanceof AppError) return at.code === "unavailable";
  return isDatabaseAway(thrown);
};
