// A dead letter as a consumer leaves it after its last attempt, for tests of what operators do about it.

import { partitionOf } from "@signalbox/core/bus/partition";
import { newId } from "@signalbox/core/ids";
import type { Sql } from "@signalbox/db";

/** A letter that is well when it runs again. Answers its id. */
export async function layAside(sql: Sql, userId: string, error: string): Promise<string> {
  const id = newId();
  const event = {
    id,
    topic: "user.updated",
    version: 1,
    key: userId,
    requestId: "r-1",
    at: new Date().toISOString(),
  };
  const [row] = await sql<{ sequence: string }[]>`
    insert into dead_letters (consumer_group, partition, key, event_id, topic, event, error, attempts, failed_at)
    values ('users', ${partitionOf(userId, 8)}, ${userId}, ${id}, 'user.updated',
      ${sql.json({ ...event, payload: { userId, version: 2, changed: ["bio"] } })}, ${error}, 8, now())
    returning sequence::text`;
  return row!.sequence;
}
