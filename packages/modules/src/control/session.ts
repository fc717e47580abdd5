// The operator's own session: opened by a one-time link, kept in a cookie that verifies without a database.

import { mintOperatorSession, sessionCookieHeader, sessionMs } from "@signalbox/control/operator-session";
import { verifySignInToken } from "@signalbox/control/sign-in";
import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { lt } from "@signalbox/db/query";
import type { z } from "zod";
import type { AsOperator, Ctx } from "../ctx.ts";
import type { OpenSession, Session } from "./schema.ts";

type OperatorSession = z.infer<typeof Session>;

// Longer than any link lives, so that a used one is never forgotten before it has expired.
const rememberMs = 7 * 24 * 60 * 60_000;

export async function openSession(
  ctx: Ctx,
  { token }: z.infer<typeof OpenSession>,
): Promise<OperatorSession> {
  const now = ctx.now();
  const claims = verifySignInToken(ctx.secret, token, now.getTime());
  if (!claims)
    throw new AppError(
      "unauthorized",
      "this link is not valid or has expired; ./signalbox status prints a new one",
    );
  const { usedSignInLinks } = tables;
  const used = await ctx.db
    .insert(usedSignInLinks)
    .values({ id: claims.jti, usedAt: now })
    .onConflictDoNothing()
    .returning({ id: usedSignInLinks.id });
  if (used.length === 0)
    throw new AppError("unauthorized", "this link was used before; ./signalbox status prints a new one");
  await ctx.db
    .delete(usedSignInLinks)
    .where(lt(usedSignInLinks.usedAt, new Date(now.getTime() - rememberMs)));

  const { name, role } = claims;
  const operator = name
    ? { id: `operator-${name}`, name, role }
    : { id: `link-${claims.jti.slice(0, 8)}`, name: "operator", role };
  const expiresAt = now.getTime() + sessionMs;
  const cookie = mintOperatorSession(ctx.secret, { ...operator, expiresAt });
  ctx.answer.headers["set-cookie"] = sessionCookieHeader(cookie, sessionMs, isSecure(ctx));
  return { operator, expiresAt: new Date(expiresAt).toISOString() };
}

export function readSession({ actor }: AsOperator): OperatorSession {
  return { operator: { id: actor.id, name: actor.name, role: actor.role }, expiresAt: null };
}

export function closeSession(ctx: AsOperator): void {
  ctx.answer.headers["set-cookie"] = sessionCookieHeader("", 0, isSecure(ctx));
}

const isSecure = ({ publicUrl }: Ctx): boolean => publicUrl.startsWith("https:");
