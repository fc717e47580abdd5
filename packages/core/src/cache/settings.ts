// How long things stay cached. Defaults, then what a module says of its own entity, then what operators set.

export type Ttl = {
  /** In the memory of one process. */
  l1Ms: number;
  /** Fresh in Redis, for all processes. */
  l2Ms: number;
  /** How long "there is nothing under this id" is believed. */
  negativeMs: number;
  /** How much longer a value that is no longer fresh is kept, to be served while the source is away. */
  staleMs: number;
  /** What a CDN may keep of an answer to a guest. */
  cdnSeconds: number;
};

export type CacheSettings = {
  /** Loads that one process has under way at the source at once; the rest wait in line. */
  maxLoads: number;
  /** By entity (`users.profile`), a prefix of it that stands for all below, or `*`. */
  ttl: Record<string, Partial<Ttl>>;
};

export const defaultTtl: Ttl = {
  l1Ms: 5_000,
  l2Ms: 6 * 3_600_000,
  negativeMs: 10_000,
  staleMs: 24 * 3_600_000,
  cdnSeconds: 5,
};

export const defaultCacheSettings: CacheSettings = { maxLoads: 8, ttl: {} };

/** `*`, then each prefix of a name, then the name: the later ones are more exact. */
export function pathTo(name: string): string[] {
  const words = name.split(".");
  return ["*", ...words.map((_, end) => words.slice(0, end + 1).join("."))];
}

/** Worked out once per settings document. */
export function ttlReader(
  settings: () => CacheSettings,
  name: string,
  own: Partial<Ttl> | undefined,
): () => Ttl {
  const path = pathTo(name);
  let read: CacheSettings | undefined;
  let ttl = defaultTtl;
  return () => {
    const now = settings();
    if (now !== read) {
      read = now;
      ttl = Object.assign({}, defaultTtl, own, ...path.map((key) => now.ttl[key]));
    }
    return ttl;
  };
}
