// Programs that call for their users: a key each, shown once; where it may be used from, and what it may call.

import { createHash, randomBytes } from "node:crypto";
import type { Limit } from "@signalbox/control/evaluate";
import { limitSetting } from "@signalbox/control/settings";
import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { and, asc, eq, isNull } from "@signalbox/db/query";
import type { AsOperator, Deps } from "../ctx.ts";

const { applications } = tables;
type Row = typeof applications.$inferSelect;

export type Application = {
  id: string;
  scopes: string[];
  limit: Limit | undefined;
  /** Why it may call nothing from here. */
  barred?: string;
};

const hashOf = (key: string) => createHash("sha256").update(key).digest();

export async function createApplication(
  ctx: AsOperator,
  input: { name: string; origins: string[]; scopes: string[]; rate?: number; burst?: number },
) {
  const key = `sba_${randomBytes(32).toString("base64url")}`;
  const { name, origins, scopes, rate, burst } = input;
  const [row] = await ctx.db
    .insert(applications)
    .values({
      id: newId(),
      name,
      keyHash: hashOf(key),
      origins,
      scopes,
      rate: rate ?? null,
      burst: burst ?? null,
      createdBy: ctx.actor.name,
    })
    .returning();
  return { ...presentApplication(row!), key };
}

const presentApplication = ({ keyHash: _, ...row }: Row) => ({
  ...row,
  createdAt: row.createdAt.toISOString(),
  revokedAt: row.revokedAt?.toISOString() ?? null,
});

export async function listApplications(ctx: AsOperator) {
  const rows = await ctx.db.select().from(applications).orderBy(asc(applications.id));
  return { items: rows.map(presentApplication), nextCursor: null };
}

export async function revokeApplication(ctx: AsOperator, id: string): Promise<void> {
  const done = await ctx.db
    .update(applications)
    .set({ revokedAt: ctx.now() })
    .where(and(eq(applications.id, id), isNull(applications.revokedAt)))
    .returning({ id: applications.id });
  if (done.length === 0)
    throw new AppError("not_found", "there is no application with a key in force under this id");
}

/** How long a revoked key may still be taken by an instance that has seen it. */
const freshMs = 1_000;
const maxKnown = 10_000;

/** Refuses an unknown key with 401; one that is used from another's origin is barred. Browsers alone send an origin. */
export function createApplicationReader(deps: Pick<Deps, "db">) {
  const known = new Map<
    string,
    { row: Row | undefined; until: number; application: Application | undefined }
  >();

  async function find(key: string) {
    const hash = hashOf(key);
    const name = hash.toString("base64url");
    const nowMs = Date.now();
    const held = known.get(name);
    if (held && held.until > nowMs) return held;
    const [row] = await deps.db
      .select()
      .from(applications)
      .where(and(eq(applications.keyHash, hash), isNull(applications.revokedAt)));
    const found = { row, until: nowMs + freshMs, application: row && toApplication(row) };
    if (known.size >= maxKnown) known.clear();
    known.set(name, found);
    return found;
  }

  return async function readApplication(key: string, origin: string | undefined): Promise<Application> {
    const { row, application } = key.length <= 100 && key.startsWith("sba_") ? await find(key) : {};
    if (!row || !application) throw new AppError("unauthorized", "X-Api-Key: this is not a key in force");
    if (origin === undefined || row.origins.includes(origin) || row.origins.includes("*")) return application;
    return { ...application, barred: `this application may not be used from ${origin.slice(0, 200)}` };
  };
}

/** Whether pages of an origin may call at all: some application in force names it. Which one may do what, its key says. */
export function createOriginReader({ watch, log }: Pick<Deps, "watch" | "log">) {
  let named = new Set<string>();
  let until = 0;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    try {
      const rows = await watch<{ origin: string }[]>`
        select distinct unnest(origins) as origin from applications where revoked_at is null`;
      named = new Set(rows.map(({ origin }) => origin));
    } catch (error) {
      log.debug({ error }, "origins of applications not readable; those last read stand");
    }
    until = performance.now() + freshMs;
    reading = undefined;
  }

  return async function isNamed(origin: string): Promise<boolean> {
    if (performance.now() >= until) {
      reading ??= read();
      await reading;
    }
    return named.has(origin) || named.has("*");
  };
}

function toApplication({ id, scopes, rate, burst }: Row): Application {
  const limit =
    rate === null
      ? undefined
      : { key: `app:${id}`, value: limitSetting.parse({ rate, burst: burst ?? rate, by: "account" }) };
  return { id, scopes, limit };
}

/** `feed` allows all of feed, `feed.post` all of posts, `*` everything. */
export const isAllowed = ({ scopes }: Pick<Application, "scopes">, name: string): boolean =>
  scopes.some((scope) => scope === "*" || scope === name || name.startsWith(`${scope}.`));
