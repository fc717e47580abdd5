// Where mails go on an install without a mail server: a short list that operators read.

import { newId } from "@signalbox/core/ids";
import type { Mail } from "@signalbox/core/mail";
import { tables } from "@signalbox/db";
import { desc, lt } from "@signalbox/db/query";
import type { AsOperator, Deps } from "../ctx.ts";
import { openCursor, toPage } from "../page.ts";

const { mailbox } = tables;
const kept = 500;
/** Looking for what is too old costs more than keeping a mail, so it is not done for each. */
const pruneEvery = 16;
let sincePruned = 0;

export async function keepMail({ sql }: Pick<Deps, "sql">, { to, subject, text }: Mail) {
  await sql`insert into mailbox (id, recipient, subject, text) values (${newId()}, ${to}, ${subject}, ${text})`;
  sincePruned += 1;
  if (sincePruned < pruneEvery) return;
  sincePruned = 0;
  await sql`delete from mailbox where id < (select id from mailbox order by id desc offset ${kept} limit 1)`;
}

export async function listMailbox(
  ctx: AsOperator,
  { limit = kept, cursor }: { limit?: number; cursor?: string },
) {
  const [before] = openCursor(cursor) ?? [];
  const rows = await ctx.db
    .select()
    .from(mailbox)
    .where(before ? lt(mailbox.id, before) : undefined)
    .orderBy(desc(mailbox.id))
    .limit(limit + 1);
  const page = toPage(
    rows,
    limit,
    ({ id }) => id,
    ({ id, recipient, subject, text, createdAt }) => ({
      id,
      to: recipient,
      subject,
      text,
      sentAt: createdAt.toISOString(),
    }),
  );
  return { ...page, server: ctx.mailer.server };
}
