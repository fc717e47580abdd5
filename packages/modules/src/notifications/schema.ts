// What users read of what was done with them. Pure, so that forms may import it.

import { z } from "zod";
import { pageOf } from "../page.ts";
import { Person } from "../users/schema.ts";

export const NotificationKind = z.enum(["follow", "mention", "reply", "like", "repost"]);

export const Notification = z.object({
  id: z.string(),
  kind: NotificationKind.describe("what was done: follow, mention, reply, like or repost"),
  actor: Person.describe("who did it"),
  postId: z.string().nullable().describe("the post that it is about; of a reply or mention the new one"),
  createdAt: z.string(),
  read: z.boolean(),
});
export type Notification = z.infer<typeof Notification>;
export const NotificationPage = pageOf(Notification);

export const MarkRead = z.strictObject({
  ids: z.array(z.uuid()).min(1).max(100).optional().describe("absent: all of them"),
});
