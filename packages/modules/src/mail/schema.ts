// What operators read of the mailbox.

import { z } from "zod";
import { pageOf } from "../page.ts";

export const MailItem = z.object({
  id: z.string(),
  to: z.string(),
  subject: z.string(),
  text: z.string(),
  sentAt: z.string(),
});
export const MailboxList = pageOf(MailItem).extend({
  server: z
    .string()
    .nullable()
    .describe("the mail server that takes mails instead; null: they are kept here"),
});
export type MailItem = z.infer<typeof MailItem>;
