// An export as one archive: a tar of JSON files, packed, kept in parts that are sealed with the person's own key.

import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { and, asc, eq, gt } from "@signalbox/db/query";
import type { Ctx } from "../ctx.ts";
import type { Holding } from "../holding.ts";
import { openFor, sealFor } from "../vault.ts";
import { knownRequest } from "./requests.ts";

const { personalArchives } = tables;

const partBytes = 256 * 1024;
const recordsPerFile = 1_000;
const field = "personal_archives.sealed";

type Order = { userId: string; requestId: string; holdings: Holding[] };

export async function writeArchive(
  ctx: Ctx,
  { userId, requestId, holdings }: Order,
  onStep: (name: string, count: number) => Promise<void>,
): Promise<void> {
  await ctx.db.delete(personalArchives).where(eq(personalArchives.requestId, requestId));
  const files = async function* () {
    const counts: Record<string, number> = {};
    for (const holding of holdings) {
      let count = 0;
      for await (const { name, records } of inFiles(holding.export(ctx, userId))) {
        count += records.length;
        yield* tarFile(`${holding.name}/${name}.json`, JSON.stringify(records, undefined, 2), ctx.now());
      }
      counts[holding.name] = count;
      await onStep(holding.name, count);
    }
    const kept = Object.assign({}, ...holdings.map((holding) => holding.kept));
    const about = { userId, madeAt: ctx.now().toISOString(), install: ctx.publicUrl, records: counts, kept };
    yield* tarFile("about.json", JSON.stringify(about, undefined, 2), ctx.now());
    // A tar ends with two empty blocks.
    yield Buffer.alloc(1024);
  };

  let part = 0;
  const keep = async (bytes: Buffer) => {
    const sealed = await sealFor(ctx, userId, field, bytes);
    await ctx.db.insert(personalArchives).values({ userId, requestId, part: part++, sealed });
  };
  let waiting: Buffer[] = [];
  let size = 0;
  for await (const chunk of Readable.from(files()).pipe(createGzip()) as AsyncIterable<Buffer>) {
    waiting.push(chunk);
    size += chunk.length;
    if (size < partBytes) continue;
    await keep(Buffer.concat(waiting));
    waiting = [];
    size = 0;
  }
  await keep(Buffer.concat(waiting));
}

async function* inFiles(records: ReturnType<Holding["export"]>) {
  const waiting = new Map<string, { records: unknown[]; files: number }>();
  const nameOf = (kind: string, files: number) => (files === 0 ? kind : `${kind}-${files + 1}`);
  for await (const { kind, record } of records) {
    const of = waiting.get(kind) ?? { records: [], files: 0 };
    waiting.set(kind, of);
    of.records.push(record);
    if (of.records.length < recordsPerFile) continue;
    yield { name: nameOf(kind, of.files), records: of.records };
    of.records = [];
    of.files += 1;
  }
  for (const [kind, { records, files }] of waiting)
    if (records.length > 0) yield { name: nameOf(kind, files), records };
}

const block = 512;

/** One file of a tar in the POSIX form; names here are short and plain. */
function* tarFile(name: string, text: string, at: Date): Generator<Buffer> {
  const content = Buffer.from(text);
  const head = Buffer.alloc(block);
  const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, "0")}\0`;
  head.write(name, 0);
  head.write(octal(0o600, 8), 100);
  head.write(octal(0, 8), 108);
  head.write(octal(0, 8), 116);
  head.write(octal(content.length, 12), 124);
  head.write(octal(Math.floor(at.getTime() / 1000), 12), 136);
  head.write("        0", 148);
  head.write("ustar\x0000", 257);
  head.write(
    octal(
      head.reduce((sum, byte) => sum + byte, 0),
      7,
    ),
    148,
  );
  yield head;
  yield content;
  yield Buffer.alloc((block - (content.length % block)) % block);
}

/** The archive of a request, for whoever may read the request. */
export async function readArchive(ctx: Ctx, requestId: string): Promise<Readable> {
  const { kind, state, userId, expiresAt } = await knownRequest(ctx, requestId);
  if (kind !== "export" || !userId) throw new AppError("not_found", "there is no archive under this id");
  if (state !== "done") throw new AppError("conflict", "the archive is not ready yet; ask for its state");
  if (!expiresAt || expiresAt <= ctx.now())
    throw new AppError("gone", "this archive is no longer kept; ask for a new export");
  return Readable.from(parts(ctx, userId, requestId));
}

async function* parts(ctx: Ctx, userId: string, requestId: string): AsyncGenerator<Buffer> {
  for (let last = -1; ; ) {
    const [row] = await ctx.db
      .select()
      .from(personalArchives)
      .where(
        and(
          eq(personalArchives.userId, userId),
          eq(personalArchives.requestId, requestId),
          gt(personalArchives.part, last),
        ),
      )
      .orderBy(asc(personalArchives.part))
      .limit(1);
    if (!row) return;
    const bytes = await openFor(ctx, userId, field, row.sealed);
    if (!bytes) throw new AppError("gone", "this archive can not be opened any more");
    yield bytes;
    last = row.part;
  }
}
