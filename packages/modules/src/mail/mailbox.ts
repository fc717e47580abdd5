// Where mails go on an install without a mail server: a short list that operators read.

import { createGather } from "@signalbox/core/gather";
import { newId } from "@signalbox/core/ids";
import type { Mail } from "@signalbox/core/mail";
import { onceFor } from "@signalbox/core/once-for";
import { tables } from "@signalbox/db";
import { desc, lt } from "@signalbox/db/query";
import type { AsOperator, Deps, Source } from "../ctx.ts";
import { openCursor, toPage } from "../page.ts";
import { openAllFor, sealFor } from "../vault.ts";

const { mailbox } = tables;
const kept = 500;
const field = "mailbox.sealed";
type Letter = Omit<Mail, "userId" | "seal">;
/** Looking for what is too old costs more than keeping a mail, so it is not done for each. */
const pruneEvery = 16;
let sincePruned = 0;

type Row = { id: string; userId: string; sealed: Buffer };

export async function keepMail(
  deps: Pick<Deps, "db" | "shared" | "secret" | "kms">,
  { userId, seal, ...letter }: Mail,
): Promise<void> {
  const { shared } = deps;
  const text = JSON.stringify(letter satisfies Letter);
  const sealed = seal ? seal(field, text) : await sealFor(deps, userId, field, text);
  await keeper(shared)({ id: newId(), userId, sealed });
}

/** Mails are made in company: one statement for all of it. */
const keeper = onceFor((shared: Source) =>
  createGather((rows: Row[]) => keepAll(shared, rows), { mostUnderWay: 2 }),
);

async function keepAll({ sql }: Source, rows: Row[]): Promise<undefined[]> {
  await sql`
    insert into mailbox (id, user_id, sealed)
    select id, user_id, decode(sealed, 'base64')
    from unnest(
      ${rows.map(({ id }) => id)}::uuid[],
      ${rows.map(({ userId }) => userId)}::uuid[],
      ${rows.map(({ sealed }) => sealed.toString("base64"))}::text[]
    ) as kept (id, user_id, sealed)`;
  sincePruned += rows.length;
  if (sincePruned >= pruneEvery) {
    sincePruned = 0;
    // The mails are kept in any case; what is too old goes after the next ones.
    await sql`delete from mailbox where id < (select id from mailbox order by id desc offset ${kept} limit 1)`.catch(
      () => {},
    );
  }
  return rows.map(() => undefined);
}

export async function listMailbox(
  ctx: AsOperator,
  { limit = kept, cursor }: { limit?: number; cursor?: string },
) {
  const before = openCursor("mailbox", cursor);
  const rows = await ctx.db
    .select()
    .from(mailbox)
    .where(before ? lt(mailbox.id, before) : undefined)
    .orderBy(desc(mailbox.id))
    .limit(limit + 1);
  const letters = new Map<string, Letter>();
  for (const [userId, own] of Map.groupBy(rows, (row) => row.userId)) {
    const opened = await openAllFor(
      ctx,
      userId,
      field,
      own.map(({ sealed }) => sealed),
    );
    // Of whoever left in this moment nothing is shown.
    for (const [at, { id }] of own.entries())
      letters.set(id, opened[at] ? JSON.parse(opened[at].toString()) : { to: "", subject: "", text: "" });
  }
  const page = toPage(
    "mailbox",
    rows,
    limit,
    ({ id }) => id,
    ({ id, createdAt }) => ({ id, ...letters.get(id)!, sentAt: createdAt.toISOString() }),
  );
  return { ...page, server: ctx.mailer.server };
}
