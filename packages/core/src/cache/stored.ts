// A value as it lies in Redis: a short head that scripts can read, then JSON.
//   <shape>.<epoch>:<fresh until>:<filled at>:<fill took>:<json>      no json: known to be missing

export type Stored<Value> = {
  value: Value | undefined;
  freshUntil: number;
  filledAt: number;
  fillMs: number;
  /** Its head and how long it was in all, where it came from Redis; else "" and 0. */
  head: string;
  bytes: number;
};

/** Values of another shape (another release) or from before an operator's cut are as if they were not there. */
export const tagOf = (shape: number, epoch: number) => `${shape}.${epoch}:`;

type Times = Pick<Stored<unknown>, "freshUntil" | "filledAt" | "fillMs">;

const headOf = (tag: string, { freshUntil, filledAt, fillMs }: Times) =>
  `${tag}${freshUntil}:${filledAt}:${fillMs}:`;

export const seal = (tag: string, json: string | undefined, times: Times): string =>
  headOf(tag, times) + (json ?? "");

export function open<Value>(tag: string, text: string | null): Stored<Value> | undefined {
  if (text === null || !text.startsWith(tag)) return undefined;
  const first = text.indexOf(":", tag.length);
  const second = text.indexOf(":", first + 1);
  const third = text.indexOf(":", second + 1);
  const times = {
    freshUntil: Number(text.slice(tag.length, first)),
    filledAt: Number(text.slice(first + 1, second)),
    fillMs: Number(text.slice(second + 1, third)),
  };
  return {
    value: third + 1 === text.length ? undefined : freeze(JSON.parse(text.slice(third + 1))),
    ...times,
    head: headOf(tag, times),
    bytes: Buffer.byteLength(text),
  };
}

/**
 * Whether Redis still holds what this was made from. The head says it: each fill ends at a time of its own, by chance, and what
 * changes is dropped here besides. Sign by sign: a text to compare with would cost more than the rest of a hit.
 */
export function isSame({ head, bytes }: Stored<unknown>, tag: string, found: Buffer): boolean {
  if (bytes !== found.length || !head.startsWith(tag)) return false;
  for (let at = 0; at < head.length; at++) if (head.charCodeAt(at) !== found[at]) return false;
  return true;
}

/** Many callers share one value in memory: none of them may change it for the others. */
export function freeze<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null) return value;
  for (const key in value) {
    const inner = value[key];
    if (typeof inner === "object") freeze(inner);
  }
  return Object.freeze(value);
}
