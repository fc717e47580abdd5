// An answer that holds what is no longer fresh, because the database is away, says so (RFC 9211: a hit whose time to live is over).

import type { Entity, Found } from "@signalbox/core/cache/cache";
import type { Ctx } from "./ctx.ts";

const staleHit = "signalbox; hit; ttl=";

/** The oldest of them is what the header tells. */
export function markStale(
  { answer: { headers } }: Pick<Ctx, "answer">,
  entity: Pick<Entity<unknown>, "ttl">,
  { stale, filledAt }: Pick<Found<unknown>, "stale" | "filledAt">,
): void {
  if (!stale) return;
  const left = Math.min(-1, Math.round((filledAt + entity.ttl().l2Ms - Date.now()) / 1_000));
  const said = headers["Cache-Status"];
  if (said?.startsWith(staleHit) && Number(said.slice(staleHit.length)) <= left) return;
  headers["Cache-Status"] = `${staleHit}${left}`;
}
