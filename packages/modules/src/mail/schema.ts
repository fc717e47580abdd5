// What operators read of the mailbox.

import { z } from "zod";
import { pageOf } from "../page.ts";

export const MailboxList = pageOf(
  z.object({ id: z.string(), to: z.string(), subject: z.string(), text: z.string(), sentAt: z.string() }),
);
