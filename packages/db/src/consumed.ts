// A mark beside the effect: a job that writes to Postgres asks, in the transaction of its effect, whether it is the first.
// Effects elsewhere (a list in Redis) have no such transaction; they must come out the same when done twice.

import type { Transaction } from "./outbox.ts";
import { consumedEvents } from "./schema/outbox.ts";

/** False: this group has done this event before, and its effect is in the database. */
export async function isFirstTime(
  transaction: Transaction,
  mark: { group: string; id: string },
): Promise<boolean> {
  const marked = await transaction
    .insert(consumedEvents)
    .values({ consumerGroup: mark.group, eventId: mark.id })
    .onConflictDoNothing()
    .returning({ eventId: consumedEvents.eventId });
  return marked.length > 0;
}
