// The keys that sign access tokens: kept in Postgres under the install's secret, so that every instance signs and verifies alike.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { onceFor } from "@signalbox/core/once-for";
import { tables } from "@signalbox/db";
import { locks } from "@signalbox/db/locks";
import { asc, eq, isNull, sql } from "@signalbox/db/query";
import type { Deps } from "../ctx.ts";
import { open, seal } from "./sealed.ts";

/** How long an access token lives. */
export const accessSeconds = 15 * 60;

type Jwk = { kty: "OKP"; crv: "Ed25519"; x: string; d?: string };
export type SigningKeys = {
  current: { kid: string; key: KeyObject };
  verifiers: Map<string, KeyObject>;
  published: { keys: (Jwk & { kid: string; alg: "EdDSA"; use: "sig" })[] };
};

/** Between making a key and signing with it: every instance and everyone who reads our keys has it by then. */
export const leadMs = 10 * 60_000;
/** How old the keys in memory may be, and how often a token with an unknown key may make us look. */
const freshMs = 5_000;
const lookMs = 1_000;
const skewMs = 60_000;

type Row = typeof tables.signingKeys.$inferSelect;
type Held = { rows: Row[]; at: number; lookedAt: number; loading: Promise<Row[]> | undefined; made?: Made };
type Made = { keys: SigningKeys; until: number; rows: Row[] };
type KeyDeps = Pick<Deps, "db" | "secret" | "now">;

// By database, because several installs can live in one process (tests do).
const heldBy = onceFor((_db: Deps["db"]): Held => ({ rows: [], at: 0, lookedAt: 0, loading: undefined }));

/** The install's keys as they are now, made when there are none. Read anew in the background, so that a caller seldom waits. */
export async function signingKeys(deps: KeyDeps): Promise<SigningKeys> {
  const nowMs = deps.now().getTime();
  const known = knownKeys(deps, nowMs);
  if (known) return known;
  const held = heldBy(deps.db);
  await load(deps, held);
  return keysAt(held, deps.secret, nowMs);
}

/** The same without waiting; undefined where none were read yet. */
export function knownKeys(deps: KeyDeps, nowMs: number): SigningKeys | undefined {
  const held = heldBy(deps.db);
  if (held.rows.length === 0) return undefined;
  if (Math.abs(nowMs - held.at) > freshMs) load(deps, held).catch(() => {});
  return keysAt(held, deps.secret, nowMs);
}

/** After a key that nobody here knows: the keys of this moment, asked for at most once a second. */
export async function learnKeys(deps: KeyDeps): Promise<SigningKeys> {
  const held = heldBy(deps.db);
  if (Date.now() - held.lookedAt > lookMs) {
    held.lookedAt = Date.now();
    await load(deps, held).catch(() => {});
  }
  return signingKeys(deps);
}

function load(deps: KeyDeps, held: Held): Promise<Row[]> {
  held.loading ??= loadOrMake(deps.db, deps.secret)
    .then((rows) => {
      held.rows = rows;
      held.at = deps.now().getTime();
      held.made = undefined;
      return rows;
    })
    .finally(() => {
      held.loading = undefined;
    });
  return held.loading;
}

/** When a key's last token has ended, given the one that followed it. */
const endOf = (next: Row | undefined): number =>
  next ? next.signsFrom.getTime() + accessSeconds * 1_000 + skewMs : Number.POSITIVE_INFINITY;

function keysAt(held: Held, secret: Buffer, nowMs: number): SigningKeys {
  if (held.made && held.made.rows === held.rows && nowMs < held.made.until) return held.made.keys;
  const { rows } = held;
  const living = rows.filter((_row, at) => endOf(rows[at + 1]) > nowMs);
  const current = rows.findLast(({ signsFrom }) => signsFrom.getTime() <= nowMs) ?? rows[0];
  if (!current) throw new Error("the signing key that was just written can not be read");
  const keys: SigningKeys = {
    current: {
      kid: current.kid,
      key: createPrivateKey({
        format: "jwk",
        key: JSON.parse(open(current.privateJwk, secret, "signing-keys").toString()),
      }),
    },
    verifiers: new Map(
      living.map((row) => [row.kid, createPublicKey({ format: "jwk", key: row.publicJwk as Jwk })]),
    ),
    published: {
      keys: living.map((row) => ({
        ...(row.publicJwk as Jwk),
        kid: row.kid,
        alg: "EdDSA" as const,
        use: "sig" as const,
      })),
    },
  };
  const turns = rows.flatMap((row, at) => [row.signsFrom.getTime(), endOf(rows[at + 1])]);
  held.made = { keys, rows, until: Math.min(...turns.filter((turn) => turn > nowMs)) };
  return keys;
}

const readRows = (db: Pick<Deps["db"], "select">): Promise<Row[]> =>
  db
    .select()
    .from(tables.signingKeys)
    .where(isNull(tables.signingKeys.retiredAt))
    .orderBy(asc(tables.signingKeys.signsFrom), asc(tables.signingKeys.createdAt));

function newKey(secret: Buffer, signsFrom: Date) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return {
    kid: newId(),
    publicJwk: publicKey.export({ format: "jwk" }),
    privateJwk: seal(
      Buffer.from(JSON.stringify(privateKey.export({ format: "jwk" }))),
      secret,
      "signing-keys",
    ),
    signsFrom,
  };
}

async function loadOrMake(db: Deps["db"], secret: Buffer): Promise<Row[]> {
  const rows = await readRows(db);
  if (rows.length > 0) return rows;
  return db.transaction(async (tx) => {
    // Two instances that start on an empty database must agree on one key.
    await tx.execute(sql`select pg_advisory_xact_lock(${locks.signingKeys})`);
    const found = await readRows(tx);
    if (found.length > 0) return found;
    await tx.insert(tables.signingKeys).values(newKey(secret, new Date()));
    return readRows(tx);
  });
}

/**
 * The next key: published now and used after `leadMs`, while the old one verifies until its last token has ended. With
 * `immediately` (a key was stolen) the old ones are refused at once: everyone refreshes, and nobody has to sign in.
 */
export async function rotateKeys(
  deps: KeyDeps,
  { immediately }: { immediately: boolean },
): Promise<{ kid: string; signsFrom: Date; before: string }> {
  const now = deps.now();
  const { current } = await signingKeys(deps);
  const made = newKey(deps.secret, immediately ? now : new Date(now.getTime() + leadMs));
  await deps.db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${locks.signingKeys})`);
    const rows = await readRows(tx);
    const waiting = rows.find(({ signsFrom }) => signsFrom > now);
    if (waiting && !immediately)
      throw new AppError(
        "conflict",
        `the key ${waiting.kid} is published and signs from ${waiting.signsFrom.toISOString()}; wait for it`,
      );
    const over = rows.filter((_row, at) => immediately || endOf(rows[at + 1]) <= now.getTime());
    // What no longer verifies can be dropped, its private half first of all.
    for (const { kid } of over)
      await tx
        .update(tables.signingKeys)
        .set({ retiredAt: now, privateJwk: Buffer.alloc(0) })
        .where(eq(tables.signingKeys.kid, kid));
    await tx.insert(tables.signingKeys).values(made);
  });
  await load(deps, heldBy(deps.db));
  return { kid: made.kid, signsFrom: made.signsFrom, before: current.kid };
}

export async function listKeys({ db, now }: KeyDeps) {
  const rows = await db.select().from(tables.signingKeys).orderBy(asc(tables.signingKeys.signsFrom));
  const nowMs = now().getTime();
  const open = rows.filter(({ retiredAt }) => !retiredAt);
  const current = open.findLast(({ signsFrom }) => signsFrom.getTime() <= nowMs) ?? open[0];
  return rows.map((row) => ({
    kid: row.kid,
    state:
      row.retiredAt || endOf(open[open.indexOf(row) + 1]) <= nowMs
        ? ("retired" as const)
        : row === current
          ? ("signing" as const)
          : row.signsFrom.getTime() > nowMs
            ? ("next" as const)
            : ("verifying" as const),
    signsFrom: row.signsFrom.toISOString(),
    createdAt: row.createdAt.toISOString(),
  }));
}
