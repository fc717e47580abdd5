// What auth holds of a person: how he proves who he is, where he is signed in, what happened to his account, what he reported.

import { tables } from "@signalbox/db";
import { and, eq, isNull, sql } from "@signalbox/db/query";
import type { Ctx } from "../ctx.ts";
import { type Holding, untilNone } from "../holding.ts";
import { openDevices } from "./device.ts";
import { findByEmail, readEmail } from "./email.ts";
import { sendMail } from "./mails.ts";
import { phoneOf } from "./phone.ts";
import { accessSeconds } from "./tokens.ts";

const { auditEvents, credentials, mailbox, reports, secondFactors, sessions } = tables;

/** Whose a session is once its user is gone: the id alone stays until the last of its access tokens has ended. */
const nobody = "00000000-0000-0000-0000-000000000000";

export const holding: Holding = {
  name: "auth",
  kept: {
    "e-mail address, phone number, password hash, second factor": "as long as the account",
    sessions: "30 days after their end",
    "mailed links": "30 days",
    "account events": "one year",
    reports: "one year after they were decided",
  },
  async *export(ctx, userId) {
    const { db } = ctx;
    const email = await readEmail(ctx, userId);
    if (email)
      yield {
        kind: "account",
        record: {
          userId,
          email: email.email,
          verifiedAt: email.verifiedAt,
          phone: await phoneOf(ctx, userId),
        },
      };
    const own = {
      deviceSealed: sessions.deviceSealed,
      createdAt: sessions.createdAt,
      lastUsedAt: sessions.rotatedAt,
      expiresAt: sessions.expiresAt,
      revokedAt: sessions.revokedAt,
    };
    const inOpen = async <Row extends { deviceSealed: Buffer }>(rows: Row[]) => {
      const devices = await openDevices(
        ctx,
        userId,
        rows.map(({ deviceSealed }) => deviceSealed),
      );
      return rows.map(({ deviceSealed: _, ...record }, at) => ({ ...record, ...devices[at]! }));
    };
    for (const record of await inOpen(await db.select(own).from(sessions).where(eq(sessions.userId, userId))))
      yield { kind: "sessions", record };
    for (const { confirmedAt, createdAt } of await db
      .select()
      .from(secondFactors)
      .where(eq(secondFactors.userId, userId)))
      yield { kind: "second-factor", record: { confirmedAt, createdAt } };
    for (const record of await inOpen(
      await db.select().from(auditEvents).where(eq(auditEvents.userId, userId)),
    ))
      yield { kind: "account-events", record };
    for (const { resolvedBy: _, ...record } of await db
      .select()
      .from(reports)
      .where(eq(reports.userId, userId)))
      yield { kind: "reports", record };
  },
  async leave(ctx, userId) {
    const ended = await ctx.db
      .update(sessions)
      .set({ revokedAt: sql`now()` })
      .where(and(eq(sessions.userId, userId), isNull(sessions.revokedAt)))
      .returning({ id: sessions.id });
    await ctx.db.delete(credentials).where(eq(credentials.userId, userId));
    await ctx.db.delete(mailbox).where(eq(mailbox.userId, userId));
    ctx.afterCommit(() => ctx.revocations.announce(ended.map(({ id }) => id)));
  },
  erase: [
    {
      name: "sessions",
      run: async ({ sql }, userId) => {
        const late = await sql`
          update sessions set revoked_at = coalesce(revoked_at, now()), user_id = ${nobody}, device_sealed = ''
          where user_id = ${userId}`;
        return late.count;
      },
    },
    { name: "credentials", run: (ctx, userId) => remove(ctx, "credentials", userId) },
    { name: "links", run: (ctx, userId) => remove(ctx, "mailed_links", userId) },
    {
      name: "mails to come",
      run: ({ queues }, userId) => queues.remove(sendMail.queue, (mail) => mail.userId === userId),
    },
    { name: "mails", run: (ctx, userId) => remove(ctx, "mailbox", userId) },
    { name: "second factor", run: (ctx, userId) => remove(ctx, "second_factors", userId) },
    { name: "recovery codes", run: (ctx, userId) => remove(ctx, "recovery_codes", userId) },
    { name: "account events", run: (ctx, userId) => remove(ctx, "audit_events", userId) },
    {
      name: "reports",
      run: async ({ sql }, userId) =>
        (await sql`delete from reports where user_id = ${userId} or subject_id = ${userId}`).count,
    },
  ],
  expire: [
    {
      name: "sessions of the erased",
      run: async ({ sql }) =>
        (
          await sql`delete from sessions where user_id = ${nobody} and revoked_at < now() - ${accessSeconds} * interval '1 second'`
        ).count,
    },
    {
      name: "sessions",
      run: ({ sql }) =>
        untilNone(
          (limit) => sql`
            delete from sessions where (user_id, id) in (
              select user_id, id from sessions
              where expires_at < now() - interval '30 days' or revoked_at < now() - interval '30 days' limit ${limit})`,
        ),
    },
    {
      name: "links",
      run: async ({ sql }) =>
        (await sql`delete from mailed_links where created_at < now() - interval '30 days'`).count,
    },
    {
      name: "account events",
      run: ({ sql }) =>
        untilNone(
          (limit) => sql`
            delete from audit_events where (user_id, id) in (
              select user_id, id from audit_events where created_at < now() - interval '1 year' limit ${limit})`,
        ),
    },
    {
      name: "reports",
      run: async ({ sql }) =>
        (await sql`delete from reports where resolved_at < now() - interval '1 year'`).count,
    },
  ],
};

async function remove({ sql }: Ctx, table: string, userId: string): Promise<number> {
  return (await sql`delete from ${sql(table)} where user_id = ${userId}`).count;
}

export const emailOf = async (ctx: Ctx, userId: string): Promise<string | undefined> =>
  (await readEmail(ctx, userId))?.email;

export const userIdByEmail = findByEmail;
