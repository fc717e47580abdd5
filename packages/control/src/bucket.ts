// Which of 100,000 buckets a unit falls into: the same for everyone who knows the salt, and nobody leaves when a share grows.

export const bucketCount = 100_000;

/** murmur3-32 of `salt:unit`, spread evenly and exactly (the product stays below 2^53). */
export function bucketOf(salt: string, unit: string): number {
  return Math.floor((murmur3(`${salt}:${unit}`) * bucketCount) / 0x1_0000_0000);
}

/** Whether a unit is among `share` percent, in steps of 0.001 %. */
export const isWithin = (share: number, salt: string, unit: string): boolean =>
  share >= 100 || (share > 0 && bucketOf(salt, unit) < Math.round(share * 1_000));

const utf8 = new TextEncoder();

/** MurmurHash3 x86 32-bit over the UTF-8 bytes of a text. */
export function murmur3(text: string, seed = 0): number {
  const { length } = text;
  let hash = seed | 0;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    const a = text.charCodeAt(at);
    const b = text.charCodeAt(at + 1);
    const c = text.charCodeAt(at + 2);
    const d = text.charCodeAt(at + 3);
    if ((a | b | c | d) > 0x7f) return murmur3Bytes(utf8.encode(text), seed);
    hash = mix(hash, a | (b << 8) | (c << 16) | (d << 24));
  }
  let tail = 0;
  for (let shift = 0; at < length; at++, shift += 8) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) return murmur3Bytes(utf8.encode(text), seed);
    tail |= code << shift;
  }
  return finish(hash ^ scramble(tail), length);
}

export function murmur3Bytes(bytes: Uint8Array, seed = 0): number {
  const { length } = bytes;
  let hash = seed | 0;
  let at = 0;
  for (; at + 4 <= length; at += 4)
    hash = mix(hash, bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
  let tail = 0;
  for (let shift = 0; at < length; at++, shift += 8) tail |= bytes[at]! << shift;
  return finish(hash ^ scramble(tail), length);
}

function scramble(block: number): number {
  const k = Math.imul(block, 0xcc9e2d51);
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
}

function mix(hash: number, block: number): number {
  const h = hash ^ scramble(block);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number, length: number): number {
  let h = hash ^ length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
