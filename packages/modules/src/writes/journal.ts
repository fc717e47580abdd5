// A file of records that are there once `append` has resolved, whatever happens to the process or the machine: each batch is
// flushed to the disk before anybody is answered, and so is the folder that names the file. A record that was half written when
// the power went carries no valid sum, was never acknowledged, and is cut off.

import { mkdirSync } from "node:fs";
import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";

export type Journal<Entry> = {
  /** What was in it when it was opened, oldest first. */
  readonly found: Entry[];
  append(entry: Entry): Promise<void>;
  /** Only these are left; all at once, or not at all. */
  rewrite(entries: Entry[]): Promise<void>;
  close(): Promise<void>;
};

const lineOf = (entry: unknown): string => {
  const text = JSON.stringify(entry);
  return `${crc32(text).toString(16).padStart(8, "0")} ${text}\n`;
};

export async function openJournal<Entry>(path: string): Promise<Journal<Entry>> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const { entries, bytes } = parse<Entry>(await readFile(path).catch(() => Buffer.alloc(0)));
  let file = await open(path, "a", 0o600);
  await file.truncate(bytes);
  await file.sync();
  await syncFolder(path);

  let waiting: { line: string; done: () => void; failed: (error: unknown) => void }[] = [];
  let writing: Promise<void> | undefined;
  let size = bytes;

  // One flush for all that came while the last one ran.
  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      const text = batch.map(({ line }) => line).join("");
      try {
        await file.appendFile(text);
        await file.datasync();
        size += Buffer.byteLength(text);
        for (const { done } of batch) done();
      } catch (error) {
        // Half of it may be there, and nobody is told that it is.
        await file.truncate(size).catch(() => {});
        for (const { failed } of batch) failed(error);
      }
    }
    writing = undefined;
  }
  const idle = async () => {
    while (writing) await writing;
  };

  return {
    found: entries,
    append(entry) {
      return new Promise((done, failed) => {
        waiting.push({ line: lineOf(entry), done, failed });
        writing ??= write();
      });
    },
    async rewrite(left) {
      await idle();
      const text = left.map(lineOf).join("");
      const fresh = `${path}.new`;
      const next: FileHandle = await open(fresh, "w", 0o600);
      await next.writeFile(text);
      await next.sync();
      await next.close();
      await rename(fresh, path);
      await syncFolder(path);
      await file.close();
      file = await open(path, "a", 0o600);
      size = Buffer.byteLength(text);
    },
    async close() {
      await idle();
      await file.close();
    },
  };
}

/** Up to the first that is not whole; what comes after it was never acknowledged. */
function parse<Entry>(content: Buffer): { entries: Entry[]; bytes: number } {
  const entries: Entry[] = [];
  let bytes = 0;
  for (let at = 0; at < content.length; ) {
    const end = content.indexOf(10, at);
    if (end < 0) break;
    const line = content.toString("utf8", at, end);
    const text = line.slice(9);
    if (crc32(text).toString(16).padStart(8, "0") !== line.slice(0, 8)) break;
    entries.push(JSON.parse(text) as Entry);
    at = end + 1;
    bytes = at;
  }
  return { entries, bytes };
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
