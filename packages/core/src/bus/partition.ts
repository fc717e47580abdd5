// Which partition a key belongs to. Changing this, or the number of partitions, tears the order of keys apart.

/** FNV-1a with murmur's final mix: ids that differ in one digit spread evenly. */
export function hashKey(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export const partitionOf = (key: string, partitions: number): number => hashKey(key) % partitions;
