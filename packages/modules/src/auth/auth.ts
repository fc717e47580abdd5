// Registering, signing in and staying signed in.

import { hash, verify } from "@node-rs/argon2";
import { AppError } from "@signalbox/core/errors";
import { tables, violatedConstraint } from "@signalbox/db";
import { and, desc, eq, sql } from "@signalbox/db/query";
import type { z } from "zod";
import { type Ctx, emit, transaction } from "../ctx.ts";
import { createProfile, findAccount } from "../users/index.ts";
import { userCreated } from "./events.ts";
import type { Login, Refresh, Register, SignedIn } from "./schema.ts";
import { endSessions, openSession } from "./sessions.ts";
import { accessSeconds, openRefresh, refreshMs, sealRefresh, signAccess } from "./tokens.ts";

const { credentials } = tables;

// argon2id as OWASP advises; the library hashes on the thread pool, off the event loop.
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** A client that lost the answer may show the last token again for this long. */
const graceMs = 10_000;

type Account = z.infer<typeof SignedIn>["user"];

export async function register(ctx: Ctx, input: z.infer<typeof Register>): Promise<z.infer<typeof SignedIn>> {
  const passwordHash = await hash(input.password, cost);
  const { user, sessionId } = await transaction(ctx, async (ctx) => {
    const user = await createProfile(ctx, input.handle).catch((error) => {
      throw violatedConstraint(error)
        ? new AppError("conflict", `the handle ${input.handle} is taken`, { cause: error })
        : error;
    });
    await ctx.db.insert(credentials).values({ userId: user.id, email: input.email, passwordHash });
    await emit(ctx, userCreated, { userId: user.id, handle: user.handle });
    return { user, sessionId: await openSession(ctx, user.id) };
  });
  return answer(ctx, user, { userId: user.id, sessionId, counter: 0 });
}

export async function login(ctx: Ctx, input: z.infer<typeof Login>): Promise<z.infer<typeof SignedIn>> {
  const found = await findCredentials(ctx, input.login);
  // An unknown account costs the same hash, so that the time tells nothing either.
  const right = await verify(found?.passwordHash ?? (await decoyHash()), input.password);
  const user = found && right ? await findAccount(ctx, { id: found.userId }) : undefined;
  if (!user) throw new AppError("unauthorized", "this login and password do not belong together");
  return answer(ctx, user, { userId: user.id, sessionId: await openSession(ctx, user.id), counter: 0 });
}

export async function refresh(ctx: Ctx, input: z.infer<typeof Refresh>): Promise<z.infer<typeof SignedIn>> {
  const claim = openRefresh(ctx.secret, input.refreshToken);
  if (!claim) throw new AppError("unauthorized", "this is not a refresh token of this install");
  const counter = await advance(ctx, claim);
  const user = await findAccount(ctx, { id: claim.userId });
  if (!user) throw new AppError("unauthorized", "this account no longer exists");
  return answer(ctx, user, { ...claim, counter });
}

/** Moves the session one token on in a single guarded statement; of many at once exactly one wins, the rest get its answer. */
async function advance(
  ctx: Ctx,
  { userId, sessionId, counter }: { userId: string; sessionId: string; counter: number },
): Promise<number> {
  const [moved] = await ctx.sql`
    update sessions set counter = counter + 1, rotated_at = now(), expires_at = now() + ${refreshMs} * interval '1 millisecond'
    where user_id = ${userId} and id = ${sessionId} and counter = ${counter} and revoked_at is null and expires_at > now()
    returning counter`;
  if (moved) return moved.counter;
  const [session] = await ctx.sql`
    select counter, revoked_at is not null or expires_at <= now() as ended, rotated_at > now() - ${graceMs} * interval '1 millisecond' as fresh
    from sessions where user_id = ${userId} and id = ${sessionId}`;
  if (!session || session.ended) throw new AppError("unauthorized", "this session has ended; sign in again");
  if (session.counter === counter + 1 && session.fresh) return session.counter;
  await endSessions(ctx, userId, sessionId);
  ctx.log.warn(
    { userId, sessionId, requestId: ctx.requestId },
    "an old refresh token was used again: its session is revoked",
  );
  throw new AppError(
    "unauthorized",
    "this refresh token was used before; its session is ended to be safe, sign in again",
  );
}

async function findCredentials(ctx: Ctx, login: string) {
  const columns = { userId: credentials.userId, passwordHash: credentials.passwordHash };
  if (!login.includes("@")) {
    const account = await findAccount(ctx, { handle: login.toLowerCase() });
    if (!account) return undefined;
    const [row] = await ctx.db.select(columns).from(credentials).where(eq(credentials.userId, account.id));
    return row;
  }
  // Two accounts may claim one address until one of them verifies it; then only that one signs in with it.
  const rows = await ctx.db
    .select({ ...columns, verifiedAt: credentials.emailVerifiedAt })
    .from(credentials)
    .where(and(eq(credentials.email, login.toLowerCase())))
    .orderBy(sql`${credentials.emailVerifiedAt} is null`, desc(credentials.userId))
    .limit(2);
  const [first, second] = rows;
  return first && (first.verifiedAt || !second) ? first : undefined;
}

async function answer(
  ctx: Ctx,
  user: Account,
  claim: { userId: string; sessionId: string; counter: number },
) {
  return {
    user: { id: user.id, handle: user.handle, displayName: user.displayName },
    accessToken: await signAccess(ctx, claim.userId, claim.sessionId),
    refreshToken: sealRefresh(ctx.secret, claim),
    expiresIn: accessSeconds,
  };
}

let decoy: Promise<string> | undefined;
const decoyHash = () => (decoy ??= hash("the password of nobody", cost));
