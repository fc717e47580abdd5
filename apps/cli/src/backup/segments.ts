// The log as files of a fixed size, named as Postgres names them. One that is full is given away; the open one ends in
// .partial and is on disk up to what was flushed.
import { closeSync, constants, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { constants as zlib, zstdCompressSync } from "node:zlib";
import { walFileName } from "@signalbox/db/physical";

/** With a sum of its own: a bit that is another would often still unpack, to another log. */
export const packSegment = (bytes: Buffer): Buffer =>
  zstdCompressSync(bytes, { params: { [zlib.ZSTD_c_checksumFlag]: 1 } });

export type Segments = ReturnType<typeof segmentWriter>;

export function segmentWriter(
  folder: string,
  { timeline, segmentBytes, full }: { timeline: number; segmentBytes: number; full(name: string): void },
) {
  const size = BigInt(segmentBytes);
  let open: { name: string; file: number } | undefined;
  let written = 0n;
  let flushed = 0n;
  const flush = () => {
    if (open && flushed < written) fsyncSync(open.file);
    flushed = written;
  };
  return {
    write(lsn: bigint, bytes: Buffer): void {
      let at = lsn;
      for (let left = bytes; left.length > 0; ) {
        const offset = Number(at % size);
        const now = left.subarray(0, segmentBytes - offset);
        const name = walFileName({ lsn: at, timeline }, segmentBytes);
        if (open?.name !== name) {
          // What an earlier run had of it is written over with the same bytes.
          const path = join(folder, `${name}.partial`);
          open = { name, file: openSync(path, constants.O_RDWR | constants.O_CREAT, 0o640) };
        }
        for (let done = 0; done < now.length; )
          done += writeSync(open.file, now, done, now.length - done, offset + done);
        at += BigInt(now.length);
        left = left.subarray(now.length);
        written = at;
        if (at % size !== 0n) continue;
        flush();
        closeSync(open.file);
        renameSync(join(folder, `${name}.partial`), join(folder, name));
        open = undefined;
        full(name);
      }
    },
    flush,
    get written() {
      return written;
    },
    get flushed() {
      return flushed;
    },
    close(): void {
      flush();
      if (open) closeSync(open.file);
      open = undefined;
    },
  };
}
