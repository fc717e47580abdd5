// The tar format, as much of it as backups need: plain files and folders, sizes beyond 8 GB, and nothing that differs from
// one writing to the next.

export const blockBytes = 512;

export type Entry = { name: string; size: number; kind: "file" | "folder" };

/** The only header that there is for an entry; a reader compares. */
export function tarHeader({ name, size, kind }: Entry): Buffer {
  const header = Buffer.alloc(blockBytes);
  if (Buffer.byteLength(name) > 100) throw new Error(`the name ${name} is too long for an archive`);
  header.write(name, 0);
  header.write(kind === "folder" ? "0000700\0" : "0000600\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  writeSize(header, size);
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write(kind === "folder" ? "5" : "0", 156);
  header.write("ustar\x0000", 257, "latin1");
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

const largestOctal = 8 ** 11 - 1;

function writeSize(header: Buffer, size: number): void {
  if (size <= largestOctal) {
    header.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
    return;
  }
  header[124] = 0x80;
  header.writeBigUInt64BE(BigInt(size), 128);
}

const readSize = (header: Buffer) =>
  header[124]! & 0x80
    ? Number(header.readBigUInt64BE(128))
    : Number.parseInt(header.toString("latin1", 124, 136).replace(/[\0 ]/g, ""), 8) || 0;

/** Undefined: the end of the archive. */
export function readHeader(header: Buffer): (Entry & { linkTo?: string }) | undefined {
  if (header.every((byte) => byte === 0)) return undefined;
  const text = (from: number, to: number) => {
    const end = header.indexOf(0, from);
    return header.toString("utf8", from, end < 0 ? to : Math.min(end, to));
  };
  const prefix = header.toString("latin1", 257, 262) === "ustar" ? text(345, 500) : "";
  const name = prefix ? `${prefix}/${text(0, 100)}` : text(0, 100);
  const type = String.fromCharCode(header[156]!);
  if (type === "2") return { name, size: 0, kind: "file", linkTo: text(157, 257) };
  if (type !== "0" && type !== "\0" && type !== "5")
    throw new Error(`${name} is neither a file nor a folder`);
  return { name, size: readSize(header), kind: type === "5" ? "folder" : "file" };
}

export const padding = (size: number) => (blockBytes - (size % blockBytes)) % blockBytes;

export type TarHandlers = {
  begin(entry: Entry & { linkTo?: string }): void;
  data(bytes: Buffer): void;
  end(): void;
};

/** Takes a tar in pieces of any size. */
export function tarReader(handlers: TarHandlers) {
  let held = Buffer.alloc(0);
  let left = 0;
  let pad = 0;
  let isOpen = false;
  let isOver = false;
  const close = () => {
    isOpen = false;
    handlers.end();
  };
  return {
    write(piece: Buffer): void {
      let bytes = held.length ? Buffer.concat([held, piece]) : piece;
      held = Buffer.alloc(0);
      for (;;) {
        if (left > 0) {
          const now = bytes.subarray(0, left);
          if (now.length) handlers.data(now);
          left -= now.length;
          bytes = bytes.subarray(now.length);
          if (left > 0) return;
        }
        if (isOpen) close();
        if (pad > 0) {
          const skipped = Math.min(pad, bytes.length);
          pad -= skipped;
          bytes = bytes.subarray(skipped);
          if (pad > 0) return;
        }
        if (isOver) return;
        if (bytes.length < blockBytes) {
          held = Buffer.from(bytes);
          return;
        }
        const entry = readHeader(bytes.subarray(0, blockBytes));
        bytes = bytes.subarray(blockBytes);
        if (!entry) {
          isOver = true;
          return;
        }
        handlers.begin(entry);
        isOpen = true;
        left = entry.size;
        pad = padding(entry.size);
      }
    },
    finish(): void {
      if (left > 0 || held.length > 0) throw new Error("the archive ends in the middle of a file");
      if (isOpen) close();
    },
  };
}
