// Parts that an answer can do without: left out by switch, while their service has more to do than it can, or while what they need
// is away. The answer then says so: in the header `Degraded`, and in lists in the field `degraded`.

import type { Soon } from "@signalbox/core/at-once";
import { AppError } from "@signalbox/core/errors";
import { currentDeadline } from "@signalbox/core/resilience/deadline";
import { isDatabaseAway } from "@signalbox/db";
import type { Ctx } from "./ctx.ts";

/** Each is a key that operators can switch off; its last word is what callers read. */
export const optionalParts = ["feed.item.counts", "feed.item.viewer", "users.people.ranking"] as const;

/** `left` takes the names of what is left out. */
export function optional<T>(
  ctx: Ctx,
  key: (typeof optionalParts)[number],
  left: string[],
  { read, without }: { read: () => Soon<T>; without: () => Soon<T> },
): Soon<T> {
  const leaveOut = () => {
    sayLeftOut(ctx, key, left);
    return without();
  };
  if (isLeftOut(ctx, key)) return leaveOut();
  const given = read();
  if (!(given instanceof Promise)) return given;
  return given.catch((error) => {
    if (!isAway(error)) throw error;
    ctx.log.debug({ error, key, requestId: ctx.requestId }, "an optional part of an answer is left out");
    return leaveOut();
  });
}

function sayLeftOut(ctx: Ctx, key: string, left: string[]): void {
  const name = key.slice(key.lastIndexOf(".") + 1);
  left.push(name);
  const { headers } = ctx.answer;
  const said = headers.Degraded?.split(", ") ?? [];
  if (!said.includes(name)) headers.Degraded = [...said, name].join(", ");
}

function isLeftOut({ live, actor, address, now, isOverloaded }: Ctx, key: string): boolean {
  if (currentDeadline()?.isLessened) return true;
  const unit = actor.kind === "user" ? actor.id : address;
  const nowMs = now().getTime();
  if (live.rules().off(key, unit, nowMs)) return true;
  const service = key.slice(0, key.indexOf("."));
  return isOverloaded(service) && live.rules().shedOf(service, nowMs).degrade;
}

const isAway = (error: unknown): boolean => {
  for (let at = error; at instanceof Error; at = at.cause)
    if (at instanceof AppError) return ["unavailable", "overloaded", "disabled"].includes(at.code);
  return isDatabaseAway(error);
};
