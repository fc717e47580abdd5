// Looks for a person everywhere: in every column of every table and in every key of Redis, by what the engines themselves say
// they hold. It knows no module, so that what a module forgot is found.

import type { Redis } from "@signalbox/core/redis";
import type { Deps } from "../ctx.ts";

export type Subject = {
  id: string;
  /** As whole values only: a word in somebody's text is that somebody's. */
  handle?: string | undefined;
  email?: string | undefined;
};
type Trace = { place: string; count: number };
export type Traces = { items: Trace[]; places: number; total: number };

/** Its rows say who asked for what, as long as that runs. */
const ownTable = "personal_requests";

export async function findTraces(
  deps: Pick<Deps, "sql" | "redis">,
  subject: Subject,
  { running = false } = {},
): Promise<Traces> {
  const tables = await searchTables(deps, subject, running);
  const keys = await searchRedis(deps.redis, subject);
  const items = [...tables.items, ...keys.items];
  return {
    items,
    places: tables.places + keys.places,
    total: items.reduce((sum, { count }) => sum + count, 0),
  };
}

type Column = { schema: string; table: string; name: string; type: string };

async function searchTables({ sql }: Pick<Deps, "sql">, subject: Subject, running: boolean) {
  const id = subject.id.toLowerCase();
  const hex = id.replaceAll("-", "");
  const handle = subject.handle?.toLowerCase() ?? null;
  const email = subject.email?.toLowerCase() ?? null;
  return sql.begin("read only", async (sql) => {
    // Thorough and rare; a big table takes its time.
    await sql`set local statement_timeout = 0`;
    const columns = await sql<Column[]>`
      select n.nspname as schema, c.relname as table, a.attname as name, format_type(a.atttypid, null) as type
      from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'm') and not c.relispartition and a.attnum > 0 and not a.attisdropped
        and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_t%'
      order by 1, 2, a.attnum`;
    const searched = columns.filter(
      ({ type, table }) => isSearched(type) && !(running && table === ownTable),
    );
    const items: Trace[] = [];
    for (const [table, fields] of Map.groupBy(searched, ({ schema, table }) => `"${schema}"."${table}"`)) {
      const counts = fields.map((field, at) => `count(*) filter (where ${conditionOf(field)}) as "${at}"`);
      const [found] = await sql.unsafe(
        `select ${counts.join(", ")} from ${table} as kept, (values ($1::text, $2::text, $3::text, $4::text)) as needle (id, hex, handle, email)`,
        [id, hex, handle, email],
      );
      for (const [at, { table, name }] of fields.entries()) {
        const count = Number(found![at]);
        if (count > 0) items.push({ place: `${table}.${name}`, count });
      }
    }
    return { items, places: searched.length };
  });
}

const isSearched = (type: string) => /^(uuid|text|character.*|name|citext|jsonb?|bytea)(\[\])?$/.test(type);

function conditionOf({ name, type }: Column): string {
  const column = `kept."${name.replaceAll('"', '""')}"`;
  if (type === "uuid") return `${column} = needle.id::uuid`;
  if (type === "bytea")
    return `position(decode(needle.hex, 'hex') in ${column}) > 0 or position(convert_to(needle.id, 'UTF8') in ${column}) > 0
      or position(convert_to(needle.email, 'UTF8') in ${column}) > 0`;
  const text = `lower(${column}::text)`;
  const within = `position(needle.id in ${text}) > 0 or position(needle.hex in ${text}) > 0 or position(needle.email in ${text}) > 0`;
  if (/^jsonb?/.test(type)) return `${within} or position(to_json(needle.handle)::text in ${text}) > 0`;
  if (type.endsWith("[]")) return `${within} or needle.handle = any (${text}::text[])`;
  return `${within} or ${text} = needle.handle`;
}

const pageSize = 500;
/** A cached "nobody has this handle" is no trace of the one who had it; an entry that leads to him holds his id. */
const handleEntries = /^cache:\{users\.handle:/;

async function searchRedis(redis: Redis, subject: Subject) {
  const prefix = redis.options.keyPrefix ?? "";
  const isTrace = matcher(subject);
  const handle = subject.handle?.toLowerCase();
  const items: Trace[] = [];
  let places = 0;
  for await (const keys of keysOf(redis)) {
    for (const whole of keys) {
      const key = whole.slice(prefix.length);
      places += 1;
      const inKey =
        isTrace(Buffer.from(key)) ||
        (handle !== undefined &&
          !handleEntries.test(key) &&
          key.toLowerCase().split(/[:{}]/).includes(handle));
      let count = inKey ? 1 : 0;
      for await (const value of valuesOf(redis, key)) if (isTrace(value)) count += 1;
      if (count > 0) items.push({ place: `redis ${key}`, count });
    }
  }
  return { items, places };
}

function matcher({ id, handle, email }: Subject): (value: Buffer) => boolean {
  const hex = id.toLowerCase().replaceAll("-", "");
  const texts = [id.toLowerCase(), hex, email?.toLowerCase(), handle && `"${handle.toLowerCase()}"`];
  const needles = texts.filter((text) => text !== undefined && text !== "") as string[];
  const raw = Buffer.from(hex, "hex");
  return (value) => {
    if (value.includes(raw)) return true;
    const text = value.toString("latin1").toLowerCase();
    return needles.some((needle) => text.includes(needle));
  };
}

/** Keys as they are in Redis, with the client's prefix. */
export async function* keysOf(redis: Redis, pattern = "*"): AsyncGenerator<string[]> {
  const match = `${(redis.options.keyPrefix ?? "").replace(/[\\*?[\]]/g, "\\$&")}${pattern}`;
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "MATCH", match, "COUNT", pageSize);
    if (keys.length > 0) yield keys;
    cursor = next;
  } while (cursor !== "0");
}

async function* valuesOf(redis: Redis, key: string): AsyncGenerator<Buffer> {
  const type = await redis.type(key);
  if (type === "string") {
    const value = await redis.getBuffer(key);
    if (value) yield value;
  } else if (type === "hash") {
    for (const [field, value] of Object.entries(await redis.hgetallBuffer(key)))
      yield Buffer.concat([Buffer.from(field), Buffer.of(0), value]);
  } else if (type === "list") {
    for (let from = 0; ; from += pageSize) {
      const page = await redis.lrangeBuffer(key, from, from + pageSize - 1);
      yield* page;
      if (page.length < pageSize) return;
    }
  } else if (type === "set") yield* await redis.smembersBuffer(key);
  else if (type === "zset") yield* await redis.zrangeBuffer(key, 0, -1);
  else if (type === "stream") for await (const { text } of entriesOf(redis, key)) yield Buffer.from(text);
}

export async function* entriesOf(redis: Redis, key: string): AsyncGenerator<{ id: string; text: string }> {
  for (let from = "-"; ; ) {
    const page = await redis.xrange(key, from, "+", "COUNT", pageSize);
    for (const [id, fields] of page) yield { id, text: fields.join("\n") };
    if (page.length < pageSize) return;
    from = `(${page.at(-1)![0]}`;
  }
}
