// One backup is one file: a tar that any tar and zstd can unpack, in which every byte is accounted for.
//   base.tar.zst  wal.tar.zst  objects.tar.zst   what the manifest lists, with sizes and checksums
//   manifest.json                                what it is a backup of, and what must be in it
//   keys.sealed                                  sealed together with the manifest's checksum
//   checksums                                    of the two before
import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, createReadStream, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress, createZstdDecompress } from "node:zlib";
import { Fault } from "../fault.ts";
import { blockBytes, padding, readHeader, tarHeader } from "./tar.ts";

export const format = 1;

type Member = { name: string; size: number; sha256: string };

export type TableFigures = Record<string, { rows: number; hash: string }>;

export type Manifest = {
  format: number;
  id: string;
  version: string;
  commit: string;
  /** How many migrations the database has had. */
  schema: number;
  schemaHash: string;
  platform: string;
  postgres: { major: number; systemId: string; timeline: number; segmentBytes: number };
  /** Where the copy begins, from where on it is whole, and the position that the tables' figures are of. */
  start: string;
  end: string;
  target: string;
  startedAt: string;
  takenAt: string;
  tables: TableFigures;
  /** Head of the operators' log: rewriting its tail shows against any backup. */
  controlHead: { revision: number; hash: string } | null;
  objects: number;
  members: Member[];
};

const compressor = () =>
  createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
  });

export type ArchiveWriter = ReturnType<typeof createArchive>;

/** The file must not exist. Members are written one after another. */
export function createArchive(path: string) {
  const file = openSync(path, "wx", 0o640);
  let position = 0;
  const members: Member[] = [];

  function put(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, position + at);
    position += bytes.length;
  }

  /** A compressed member; what is written to it must have been written before the next one begins. */
  function member(name: string) {
    const headerAt = position;
    put(tarHeader({ name, size: 0, kind: "file" }));
    const hash = createHash("sha256");
    let size = 0;
    const zstd = compressor();
    zstd.on("data", (bytes: Buffer) => {
      hash.update(bytes);
      size += bytes.length;
      put(bytes);
    });
    return {
      write: (bytes: Buffer): boolean => zstd.write(bytes),
      rested: (resume: () => void) => void zstd.once("drain", resume),
      async end(): Promise<void> {
        const ended = once(zstd, "end");
        zstd.end();
        await ended;
        put(Buffer.alloc(padding(size)));
        const header = tarHeader({ name, size, kind: "file" });
        writeSync(file, header, 0, blockBytes, headerAt);
        members.push({ name, size, sha256: hash.digest("hex") });
      },
    };
  }

  function small(name: string, bytes: Buffer): void {
    put(tarHeader({ name, size: bytes.length, kind: "file" }));
    put(bytes);
    put(Buffer.alloc(padding(bytes.length)));
  }

  return {
    member,
    finish(about: Omit<Manifest, "members">, seal: (context: string) => Buffer): Manifest {
      const manifest: Manifest = { ...about, members };
      const text = Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
      const digest = sha256(text);
      const sealed = seal(digest);
      small("manifest.json", text);
      small("keys.sealed", sealed);
      small(
        "checksums",
        Buffer.from(
          checksums([
            ["manifest.json", digest],
            ["keys.sealed", sha256(sealed)],
          ]),
        ),
      );
      put(Buffer.alloc(2 * blockBytes));
      fsyncSync(file);
      closeSync(file);
      return manifest;
    },
    abandon(): void {
      try {
        closeSync(file);
      } catch {
        // It is closed already.
      }
    },
  };
}

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const checksums = (pairs: [string, string][]) => pairs.map(([name, sum]) => `${sum}  ${name}\n`).join("");

export type Archive = {
  path: string;
  bytes: number;
  manifest: Manifest;
  sealedKeys: Buffer;
  manifestDigest: string;
  /** The uncompressed bytes of a member. */
  read(name: string, take: (bytes: Buffer) => void | Promise<void>): Promise<void>;
};

const broken = (path: string, why: string) =>
  new Fault(`The backup ${path} is damaged: ${why}.`, "Take another one; nothing was changed.");

/** Reads every byte of it once, and refuses what is not exactly what was written. */
export async function openArchive(path: string): Promise<Archive> {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw new Fault(
      `The backup ${path} can not be read: ${(error as NodeJS.ErrnoException).code}.`,
      "See which there are: ./signalbox backup --list",
    );
  }
  try {
    const bytes = fstatSync(file).size;
    const entries = readEntries(file, bytes, path);
    const whole = (name: string) => {
      const entry = entries.find((each) => each.name === name);
      if (!entry) {
        if (name === "keys.sealed")
          throw new Fault(
            `The backup ${path} holds no keys: without them nobody's personal fields could be read again.`,
            "Take one that was made by ./signalbox backup; nothing was changed.",
          );
        throw broken(path, `${name} is missing`);
      }
      if (entry.size > 64e6) throw broken(path, `${name} is too large`);
      return readAt(file, entry.at, entry.size);
    };
    const manifestBytes = whole("manifest.json");
    const sealedKeys = whole("keys.sealed");
    const manifestDigest = sha256(manifestBytes);
    const expected = checksums([
      ["manifest.json", manifestDigest],
      ["keys.sealed", sha256(sealedKeys)],
    ]);
    if (whole("checksums").toString("latin1") !== expected)
      throw broken(path, "its checksums do not fit its manifest and keys");
    const manifest = JSON.parse(manifestBytes.toString("utf8")) as Manifest;
    if (manifest.format !== format)
      throw new Fault(
        `The backup ${path} has format ${manifest.format}, and this version reads ${format}.`,
        `Restore it with Signalbox ${manifest.version}; nothing was changed.`,
      );
    const names = [...manifest.members.map(({ name }) => name), "manifest.json", "keys.sealed", "checksums"];
    if (names.join() !== entries.map(({ name }) => name).join())
      throw broken(path, "it does not hold what its manifest lists");
    for (const { name, size, sha256: wanted } of manifest.members) {
      const { at, size: found } = entries.find((each) => each.name === name)!;
      if (found !== size) throw broken(path, `${name} has ${found} bytes instead of ${size}`);
      if ((await digestOf(path, at, size)) !== wanted)
        throw broken(path, `the checksum of ${name} is another`);
    }
    return {
      path,
      bytes,
      manifest,
      sealedKeys,
      manifestDigest,
      async read(name, take) {
        const { at, size } = entries.find((each) => each.name === name)!;
        await pipeline(
          createReadStream(path, { start: at, end: at + size - 1, highWaterMark: 1 << 20 }),
          createZstdDecompress(),
          async (source: AsyncIterable<Buffer>) => {
            for await (const piece of source) await take(piece);
          },
        );
      },
    };
  } finally {
    closeSync(file);
  }
}

/** What a backup says it is, without reading all of it. */
export function peekManifest(path: string): Manifest | undefined {
  const file = openSync(path, "r");
  try {
    const entry = readEntries(file, fstatSync(file).size, path).find(({ name }) => name === "manifest.json");
    return entry && (JSON.parse(readAt(file, entry.at, entry.size).toString("utf8")) as Manifest);
  } catch {
    return undefined;
  } finally {
    closeSync(file);
  }
}

type Found = { name: string; size: number; at: number };

function readEntries(file: number, bytes: number, path: string): Found[] {
  const entries: Found[] = [];
  let at = 0;
  for (;;) {
    if (at + 2 * blockBytes > bytes) throw broken(path, "its end is missing");
    const header = readAt(file, at, blockBytes);
    if (header.every((byte) => byte === 0)) break;
    const entry = parsed(header, path);
    // There is one way to write a header, so a flipped bit in it shows.
    if (!header.equals(tarHeader(entry)))
      throw broken(path, `the header at byte ${at} is not as it was written`);
    at += blockBytes;
    entries.push({ ...entry, at });
    const pad = padding(entry.size);
    if (at + entry.size + pad > bytes) throw broken(path, `it ends in the middle of ${entry.name}`);
    if (readAt(file, at + entry.size, pad).some((byte) => byte !== 0))
      throw broken(path, `there is something after ${entry.name}`);
    at += entry.size + pad;
  }
  if (at + 2 * blockBytes !== bytes || readAt(file, at, bytes - at).some((byte) => byte !== 0))
    throw broken(path, "there is something after its end");
  return entries;
}

function parsed(header: Buffer, path: string): { name: string; size: number; kind: "file" } {
  try {
    const { name, size } = readHeader(header)!;
    return { name, size, kind: "file" };
  } catch {
    throw broken(path, "it is not an archive of ours");
  }
}

function readAt(file: number, at: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let got = 0;
  while (got < size) {
    const read = readSync(file, bytes, got, size - got, at + got);
    if (read === 0) break;
    got += read;
  }
  return bytes;
}

async function digestOf(path: string, at: number, size: number): Promise<string> {
  const hash = createHash("sha256");
  if (size === 0) return hash.digest("hex");
  for await (const piece of createReadStream(path, { start: at, end: at + size - 1, highWaterMark: 1 << 20 }))
    hash.update(piece as Buffer);
  return hash.digest("hex");
}
