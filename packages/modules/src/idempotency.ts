// A mutation that is sent with an Idempotency-Key takes effect once, however often and from wherever it is sent again.
// Postgres alone keeps the claim, so that a lost Redis can not let a call through twice. The claim is a row that is written before
// the work; transaction() marks it in the transaction of the effect, and rolls back where another run holds it by then.
//   answered                          the same answer for a day
//   running                           409, after a short wait for its end
//   took effect, then the process died  409 that says so: nothing runs twice, and only the answer is lost
//   died before it took effect        free again when the lease ends
//   ended while the database was away free again as soon as that is back

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { AppError, type ErrorCode, type FieldError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { currentDeadline } from "@signalbox/core/resilience/deadline";
import type { Sql } from "@signalbox/db";
import type { Transaction } from "@signalbox/db/outbox";
import { type SQL, sql } from "@signalbox/db/query";
import type { Ctx } from "./ctx.ts";
import { type Claim, letGo, settle } from "./idempotency-claim.ts";

const keptHours = 24;
/** Longer than a call may take that has no end of its own: statements end after 10 s. */
const longestLeaseMs = 30_000;
/** After its deadline a run can take no effect; where it is late all the same, it finds that its claim has gone. */
const leaseMarginMs = 2_000;
/** Two sent in the same breath get one answer; who comes while something slow runs is told so. */
const patienceMs = 1_000;

const keyForm = /^[\x21-\x7e]{1,255}$/;
/** Refusals that say something about the call; all others may pass by themselves, so they are not kept. */
const lasting: ReadonlySet<ErrorCode> = new Set([
  "forbidden",
  "not_found",
  "conflict",
  "gone",
  "stale",
  "invalid",
]);

type Stored = (
  | { data?: unknown }
  | { refusal: { code: ErrorCode; detail: string; errors?: FieldError[] } }
) & { headers: Record<string, string>; status?: number };

type Call = {
  name: string;
  key: string;
  /** The input as sent, path and query included. */
  raw: unknown;
  nameError: (error: unknown) => AppError;
};

// Calls that run in this process, so that a crowd of equals costs no queries.
const running = new Map<string, { fingerprint: Buffer; ended: Promise<Stored | undefined> }>();

export async function once<T>(ctx: Ctx, call: Call, run: (ctx: Ctx) => Promise<T> | T): Promise<T> {
  if (!keyForm.test(call.key)) throw invalidKey("must be 1 to 255 visible ASCII characters");
  const names = nameCall(ctx, call);
  const name = names.id.toString("base64");
  const deadline = performance.now() + patienceMs;
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 200)) {
    const near = running.get(name);
    if (near) {
      if (!near.fingerprint.equals(names.fingerprint)) throw anotherBody();
      const stored = await Promise.race([near.ended, setTimeout(deadline - performance.now(), undefined)]);
      if (stored) return replay<T>(ctx, stored);
    } else {
      const { promise: ended, resolve } = Promise.withResolvers<Stored | undefined>();
      running.set(name, { fingerprint: names.fingerprint, ended });
      let stored: Stored | undefined;
      try {
        const claim = { id: names.id, claim: newId() };
        const found = await claimOrRead(ctx, names, claim).catch((error) => {
          // It may have been written, or be so when the database goes on.
          if (error.code !== "invalid" && error.code !== "conflict") letGo(ctx.shared, claim);
          throw error;
        });
        if (found === "claimed") {
          const outcome = await perform(ctx, call, names, claim, run);
          stored = outcome.stored;
          if ("error" in outcome) throw outcome.error;
          return outcome.value;
        }
        stored = found;
      } finally {
        running.delete(name);
        resolve(stored);
      }
      if (stored) return replay<T>(ctx, stored);
    }
    if (performance.now() + pauseMs > deadline) throw stillRunning();
    await setTimeout(pauseMs);
  }
}

type Names = { id: Buffer; fingerprint: Buffer; sealingKey: Buffer; userId: string | null };

/** The key is never kept: without it, and without the body, an answer in the table can not be opened, by us neither. */
function nameCall({ secret, actor, address }: Ctx, { name, key, raw }: Call): Names {
  const caller = "id" in actor ? `${actor.kind}:${actor.id}` : `guest:${address}`;
  const purpose = (use: string) =>
    Buffer.from(hkdfSync("sha256", secret, `${caller}\0${key}`, `idempotency ${use}`, 32));
  const fingerprint = createHmac("sha256", purpose("body"))
    .update(`${name}\0${canonical(raw)}`)
    .digest();
  return {
    id: purpose("id"),
    fingerprint,
    sealingKey: createHmac("sha256", purpose("answer")).update(fingerprint).digest(),
    userId: actor.kind === "user" ? actor.id : null,
  };
}

/** Equal for bodies that mean the same: the order of a JSON object's fields says nothing. */
function canonical(value: unknown): string {
  try {
    return sorted(value);
  } catch (error) {
    if (error instanceof RangeError) throw new AppError("malformed", "the body is nested too deep");
    throw error;
  }
}

function sorted(value: unknown): string {
  return (
    JSON.stringify(value, (_name, inner: unknown) =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
    ) ?? ""
  );
}

const leaseMs = () =>
  Math.min(longestLeaseMs, (currentDeadline()?.remainingMs ?? longestLeaseMs) + leaseMarginMs);

async function claimOrRead(
  { sql }: Ctx,
  { id, fingerprint, sealingKey, userId }: Names,
  { claim }: Claim,
): Promise<Stored | "claimed" | undefined> {
  const [mine] = await sql`
    insert into idempotency_keys as kept (id, user_id, fingerprint, claim, lease_until, expires_at)
    values (${id}, ${userId}, ${fingerprint}, ${claim},
      now() + ${leaseMs()} * interval '1 millisecond', now() + ${keptHours} * interval '1 hour')
    on conflict (id) do update set fingerprint = excluded.fingerprint, claim = excluded.claim,
      lease_until = excluded.lease_until, effect_at = null, answer = null, created_at = now(), expires_at = excluded.expires_at
    where kept.expires_at <= now()
      or (kept.answer is null and kept.effect_at is null and kept.lease_until <= now())
    returning 1`;
  if (mine) return "claimed";
  const [row] = await sql<{ fingerprint: Buffer; answer: Buffer | null; lost: boolean }[]>`
    select fingerprint, answer, effect_at is not null and lease_until <= now() as lost
    from idempotency_keys where id = ${id}`;
  if (!row) return undefined;
  if (!row.fingerprint.equals(fingerprint)) throw anotherBody();
  if (row.answer) return open(row.answer, sealingKey);
  if (row.lost)
    throw new AppError(
      "conflict",
      "a call with this Idempotency-Key took effect, but its answer was lost with the process that ran it; read the result where it is listed, or send anew with another key",
    );
  return undefined;
}

type Outcome<T> = { value: T; stored: Stored } | { error: unknown; stored: Stored | undefined };

async function perform<T>(
  ctx: Ctx,
  { nameError }: Call,
  { sealingKey }: Names,
  claim: Claim,
  run: (ctx: Ctx) => Promise<T> | T,
): Promise<Outcome<T>> {
  const { answer } = ctx;
  const before = { ...answer.headers };
  const told = () => ({
    // What the stages wrote speaks of this one request: its limits, its id.
    headers: Object.fromEntries(
      Object.entries(answer.headers).filter(([name, value]) => before[name] !== value),
    ),
    ...(answer.status === undefined ? {} : { status: answer.status }),
  });
  let outcome: Outcome<T>;
  try {
    const value = await run({ ...ctx, claim });
    outcome = { value, stored: { ...told(), data: value } };
  } catch (thrown) {
    const error = nameError(thrown);
    const { code, message: detail, errors, retryAfterMs } = error;
    const lasts = lasting.has(code) && retryAfterMs === undefined;
    const stored = lasts
      ? { ...told(), refusal: { code, detail, ...(errors ? { errors } : {}) } }
      : undefined;
    outcome = { error, stored };
  }
  const sealed = outcome.stored && seal(outcome.stored, sealingKey);
  await settle(ctx, claim, sealed).catch((error) => {
    letGo(ctx.shared, claim, sealed);
    ctx.log.warn(
      { error, requestId: ctx.requestId },
      "the end of a call with an Idempotency-Key is kept later",
    );
  });
  return outcome;
}

/** In the transaction of the effect: it is committed under this claim, or not at all. */
export async function markEffect(db: Transaction, claim: Claim): Promise<void> {
  const marked = await db.execute(markingOf(claim));
  if (marked.length === 0) throw claimLost();
}

/** The statement that does it; it gives a row where the claim holds. */
export const markingOf = ({ id, claim }: Claim): SQL =>
  sql`update idempotency_keys set effect_at = now() where id = ${id}::bytea and claim = ${claim}::uuid returning 1`;

/** The same as a part of a statement, for the claims of many calls (`claim_id`, `claim`): gives those that hold. */
export const markEffectsOf = (sql: Sql, source: string) => sql`
  update idempotency_keys as kept set effect_at = now() from ${sql(source)} as claimed
  where kept.id = decode(claimed.claim_id, 'hex') and kept.claim = claimed.claim returning kept.claim`;

export const claimLost = () =>
  new AppError(
    "conflict",
    "this call took too long and was sent again meanwhile; nothing was changed by it",
    {
      retryAfterMs: 1_000,
    },
  );

function replay<T>(ctx: Ctx, stored: Stored): T {
  Object.assign(ctx.answer.headers, stored.headers, { "Idempotency-Replayed": "true" });
  if (stored.status !== undefined) ctx.answer.status = stored.status;
  if ("refusal" in stored) {
    const { code, detail, errors } = stored.refusal;
    throw new AppError(code, detail, errors ? { errors } : {});
  }
  return stored.data as T;
}

function seal(stored: Stored, key: Buffer): Buffer {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const sealed = Buffer.concat([cipher.update(JSON.stringify(stored)), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

function open(sealed: Buffer, key: Buffer): Stored {
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12));
  decipher.setAuthTag(sealed.subarray(12, 28));
  return JSON.parse(Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString());
}

function invalidKey(message: string): AppError {
  return new AppError("invalid", `Idempotency-Key: ${message}`, {
    errors: [{ field: "Idempotency-Key", message }],
  });
}

const anotherBody = () => invalidKey("was used for another call; use a new key for each one");

const stillRunning = () =>
  new AppError("conflict", "a call with this Idempotency-Key is still running; ask again shortly", {
    retryAfterMs: 1_000,
  });

/** Drops what is older than a day, a part at a time. */
export async function pruneIdempotencyKeys({ sql }: Pick<Ctx, "sql">): Promise<number> {
  const gone = await sql`
    delete from idempotency_keys where id in (select id from idempotency_keys where expires_at <= now() limit 5000)`;
  return gone.count;
}
