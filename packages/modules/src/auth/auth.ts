// Registering, signing in and staying signed in.

import { setImmediate as nextTurn } from "node:timers/promises";
import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import type { z } from "zod";
import type { Ctx } from "../ctx.ts";
import { readPerson, requireServed } from "../users/index.ts";
import { makeKey } from "../vault.ts";
import { sealDeviceBy, sealDeviceWith } from "./device.ts";
import { sealEmail } from "./email.ts";
import { accessSeconds } from "./keys.ts";
import { knownByPassword } from "./known.ts";
import { firstLink } from "./links.ts";
import { openAccount } from "./new-account.ts";
import { openSession } from "./new-session.ts";
import { hashPassword, isOutdated } from "./passwords.ts";
import { type Moved, moveOn } from "./rotation.ts";
import type { Login, Refresh, Register, SignedIn } from "./schema.ts";
import { hasFactor, isFactorNeeded, takeCode } from "./second-factor.ts";
import { endSessions } from "./sessions.ts";
import { openRefresh, type RefreshClaim, type Role, sealRefresh, signAccess } from "./tokens.ts";

/** A client that lost the answer may show the last token again for this long. */
const graceMs = 10_000;

type Account = z.infer<typeof SignedIn>["user"];

export async function register(ctx: Ctx, input: z.infer<typeof Register>): Promise<z.infer<typeof SignedIn>> {
  const { handle, region = null } = input;
  requireServed(ctx, region);
  const passwordHash = await hashPassword(ctx.passwordCost, input.password);
  const userId = newId();
  const key = await makeKey(ctx, userId);
  const email = sealEmail(ctx, input.email, key.seal);
  const device = sealDeviceBy(ctx, key.seal);
  const link = firstLink(ctx, input.email, key.seal);
  const account = { userId, handle, region, ...email, passwordHash, device, key, link };
  const sessionId = await openAccount(ctx, account);
  return answer(ctx, { id: userId, handle, displayName: handle }, { userId, sessionId, counter: 0 });
}

export async function login(ctx: Ctx, input: z.infer<typeof Login>): Promise<z.infer<typeof SignedIn>> {
  const { attempt, found } = await knownByPassword(ctx, input);
  const { user, role } = found;
  if (found.hasSecondFactor) {
    if (input.code === undefined) {
      attempt.forgive();
      throw codeWanted("is needed: this account has a second factor");
    }
    if (!(await attempt.during(takeCode(ctx, user.id, input.code)))) {
      await attempt.failed();
      throw codeWanted("is not right, or was used before");
    }
  }
  attempt.forgive();
  if (!found.hasSecondFactor && isFactorNeeded(ctx, role))
    throw new AppError(
      "forbidden",
      "this install asks your account for a second factor: set one up with /auth/second-factor/enrol, then sign in",
      { errors: [{ field: "code", message: "is needed, and this account has no second factor yet" }] },
    );
  const { passwordHash } = found;
  const device = await sealDeviceWith(ctx, user.id, found.key);
  const sessionId = await openSession(ctx, user.id, { passwordHash, device });
  if (sessionId === undefined)
    throw new AppError("unauthorized", "this account was changed at this moment; sign in again");
  if (isOutdated(ctx.passwordCost, passwordHash)) {
    const anew = await hashPassword(ctx.passwordCost, input.password);
    // Not over a password that was changed meanwhile.
    await ctx.sql`
      update credentials set password_hash = ${anew} where user_id = ${user.id} and password_hash = ${passwordHash}`;
  }
  return answer(ctx, user, { userId: user.id, sessionId, counter: 0 }, role);
}

function codeWanted(message: string): AppError {
  return new AppError("unauthorized", `code ${message}`, { errors: [{ field: "code", message }] });
}

export async function refresh(ctx: Ctx, input: z.infer<typeof Refresh>): Promise<z.infer<typeof SignedIn>> {
  const claim = openRefresh(ctx.secret, input.refreshToken);
  if (!claim) throw new AppError("unauthorized", "this is not a refresh token of this install");
  const advancing = advance(ctx, claim);
  // Waited for below, whatever becomes of it.
  advancing.catch(() => {});
  // Signed while the database commits: after what came in with this was sent to it. The token leaves only once the session has moved on.
  await nextTurn();
  const accessToken = await signAccess(ctx, claim.userId, claim.sessionId);
  const { counter, role } = await advancing;
  if (isFactorNeeded(ctx, role) && !(await hasFactor(ctx, claim.userId))) {
    await endSessions(ctx, claim.userId, { only: claim.sessionId });
    throw new AppError(
      "unauthorized",
      "this install asks your account for a second factor by now; set one up and sign in again",
    );
  }
  // From the cache: the session that was just moved on is the proof that the account is there.
  const user = await readPerson(ctx, claim.userId);
  if (!user) throw new AppError("unauthorized", "this account no longer exists");
  return present(
    ctx,
    user,
    { ...claim, counter },
    role === "user" ? accessToken : await signAccess(ctx, claim.userId, claim.sessionId, role),
  );
}

/** Of many who show one token at once exactly one moves its session on, and the rest get its answer. */
async function advance(ctx: Ctx, claim: RefreshClaim): Promise<Moved> {
  const moved = await moveOn(ctx, claim);
  if (moved) return moved;
  const { userId, sessionId, counter } = claim;
  const [session] = await ctx.sql`
    select counter, revoked_at is not null or expires_at <= now() as ended, rotated_at > now() - ${graceMs} * interval '1 millisecond' as fresh,
      (select role from credentials where user_id = ${userId}) as role
    from sessions where user_id = ${userId} and id = ${sessionId}`;
  if (!session || session.ended) throw new AppError("unauthorized", "this session has ended; sign in again");
  if (session.counter === counter + 1 && session.fresh)
    return { counter: session.counter, role: session.role };
  await endSessions(ctx, userId, { only: sessionId }, "session.reused");
  // Without the user: what is logged outlives an erasure.
  ctx.log.warn(
    { sessionId, requestId: ctx.requestId },
    "an old refresh token was used again: its session is revoked",
  );
  throw new AppError(
    "unauthorized",
    "this refresh token was used before; its session is ended to be safe, sign in again",
  );
}

const answer = async (ctx: Ctx, user: Account, claim: RefreshClaim, role?: Role) =>
  present(ctx, user, claim, await signAccess(ctx, claim.userId, claim.sessionId, role));

const present = (ctx: Ctx, user: Account, claim: RefreshClaim, accessToken: string) => ({
  user: { id: user.id, handle: user.handle, displayName: user.displayName },
  accessToken,
  refreshToken: sealRefresh(ctx.secret, claim),
  expiresIn: accessSeconds,
});
