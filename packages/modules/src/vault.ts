// Personal fields under a data key of each user's own. Dropping that key makes everything it sealed unreadable at once.

import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { AppError } from "@signalbox/core/errors";
import { onceFor } from "@signalbox/core/once-for";
import { type Kms, localKms, open, seal, type Wrapped } from "@signalbox/core/vault";
import { tables } from "@signalbox/db";
import { and, asc, eq, inArray, ne, sql } from "@signalbox/db/query";
import type { Ctx, Deps, InTransaction } from "./ctx.ts";

const { userKeys } = tables;
/** With a user's key that was read before. */
export type Seal = (field: string, plain: string | Buffer) => Buffer;
type Vault = Pick<Ctx | InTransaction, "db" | "secret" | "kms">;

const byDefault = onceFor((secret: Buffer) => localKms([secret]));

/** Without a master key of its own an install wraps with its secret. */
const kmsOf = ({ secret, kms }: Pick<Deps, "secret" | "kms">): Kms => kms ?? byDefault(secret);

/** As a key object: each use of a plain buffer costs several times what the cipher does. */
const unwrap = async (ctx: Pick<Deps, "secret" | "kms">, userId: string, wrapped: Wrapped) =>
  createSecretKey(await kmsOf(ctx).unwrap(wrapped, userId));

/** `field` is where it is kept, `table.column`: moved elsewhere, or to another user, it does not open. */
export async function sealFor(
  ctx: Vault,
  userId: string,
  field: string,
  plain: string | Buffer,
): Promise<Buffer> {
  return seal(await keyOf(ctx, userId), `${userId}:${field}`, plain);
}

/** Seals and opens for one user, where the key's row was read together with something else. */
export async function lockOf(
  ctx: Pick<Deps, "secret" | "kms">,
  userId: string,
  wrapped: Wrapped,
): Promise<{ seal: Seal; open: (field: string, sealed: Buffer) => Buffer }> {
  const key = await unwrap(ctx, userId, wrapped);
  return {
    seal: (field, plain) => seal(key, `${userId}:${field}`, plain),
    open: (field, sealed) => open(key, `${userId}:${field}`, sealed),
  };
}

/** For a user who is being made: nobody else can have made his key, so its row is written unasked, with his other rows. */
export async function makeKey(ctx: Pick<Deps, "secret" | "kms">, userId: string) {
  const made = randomBytes(32);
  const { masterVersion, wrapped } = await kmsOf(ctx).wrap(made, userId);
  const key = createSecretKey(made);
  return {
    seal: ((field, plain) => seal(key, `${userId}:${field}`, plain)) satisfies Seal,
    /** A part of a statement whose part `claimed` says whether there will be such a user. */
    row: sql`
      insert into user_keys (user_id, master_version, wrapped)
      select user_id, ${masterVersion}, ${wrapped}::bytea from claimed`,
  };
}

/** Undefined where the user's key is dropped. */
export async function openFor(
  ctx: Vault,
  userId: string,
  field: string,
  sealed: Buffer,
): Promise<Buffer | undefined> {
  const [opened] = await openAllFor(ctx, userId, field, [sealed]);
  return opened;
}

/** Of one user: the key is read once. */
export async function openAllFor(
  ctx: Vault,
  userId: string,
  field: string,
  sealed: Buffer[],
): Promise<(Buffer | undefined)[]> {
  const row = await readKey(ctx, userId);
  if (!row) return sealed.map(() => undefined);
  const key = await unwrap(ctx, userId, row);
  // An empty column says nothing, sealed or not.
  return sealed.map((each) => (each.length === 0 ? undefined : open(key, `${userId}:${field}`, each)));
}

/** What the operators' log calls a user. Without it nobody can tell any more whom an act was about. */
export async function aliasOf(ctx: Vault, userId: string): Promise<string> {
  const alias = await knownAlias(ctx, userId);
  if (alias === undefined) throw new AppError("not_found", "this account is being erased");
  return alias;
}

export async function knownAlias({ db }: Pick<Vault, "db">, userId: string): Promise<string | undefined> {
  const [row] = await db.select({ alias: userKeys.alias }).from(userKeys).where(eq(userKeys.userId, userId));
  return row?.alias;
}

/** Whom the log speaks of, as far as they are still here. */
export async function usersBehind(
  { db }: Pick<Vault, "db">,
  aliases: string[],
): Promise<Map<string, string>> {
  const rows = await db
    .select({ alias: userKeys.alias, userId: userKeys.userId })
    .from(userKeys)
    .where(inArray(userKeys.alias, aliases));
  return new Map(rows.map(({ alias, userId }) => [alias, userId]));
}

export async function dropKey({ db }: Vault, userId: string): Promise<void> {
  await db.delete(userKeys).where(eq(userKeys.userId, userId));
}

async function readKey({ db }: Vault, userId: string): Promise<Wrapped | undefined> {
  const [row] = await db
    .select({ masterVersion: userKeys.masterVersion, wrapped: userKeys.wrapped })
    .from(userKeys)
    .where(eq(userKeys.userId, userId));
  return row;
}

/** It is made with the user and never again: a call that is still under way for who leaves must not give him another. */
async function keyOf(ctx: Vault, userId: string): Promise<KeyObject> {
  const row = await readKey(ctx, userId);
  if (!row) throw new AppError("unauthorized", "this account is being erased");
  return unwrap(ctx, userId, row);
}

const batch = 200;

/**
 * After a new master key was put before the old one: wraps every data key anew, so that the old one can go. What is sealed stays
 * as it is. May be stopped and begun again; yields how many are done and left.
 */
export async function* rewrapKeys(deps: Deps): AsyncGenerator<{ done: number; left: number }> {
  const kms = kmsOf(deps);
  const { db } = deps;
  const old = ne(userKeys.masterVersion, kms.current);
  for (let done = 0; ; ) {
    const rows = await db.select().from(userKeys).where(old).orderBy(asc(userKeys.userId)).limit(batch);
    for (const { userId, masterVersion, wrapped } of rows) {
      const dataKey = await kms.unwrap({ masterVersion, wrapped }, userId);
      // A key that was dropped meanwhile stays dropped.
      await db
        .update(userKeys)
        .set(await kms.wrap(dataKey, userId))
        .where(and(eq(userKeys.userId, userId), eq(userKeys.masterVersion, masterVersion)));
    }
    done += rows.length;
    yield { done, left: await db.$count(userKeys, old) };
    if (rows.length < batch) return;
  }
}
