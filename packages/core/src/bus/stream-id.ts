// `<end of commit in the database's log>-<n>`: an id that the same event gets again however often it is delivered, so
// that Redis itself refuses the second one.

export const beginning = "0-0";

export const streamId = (lsn: bigint, n: number): string => `${lsn}-${n}`;

/** Both halves are decimal without leading zeros: the longer one is the larger. */
const compareDecimals = (a: string, b: string): number =>
  a.length === b.length ? (a < b ? -1 : a > b ? 1 : 0) : a.length - b.length;

export function compareIds(a: string, b: string): number {
  const [aHigh = "0", aLow = "0"] = a.split("-");
  const [bHigh = "0", bLow = "0"] = b.split("-");
  return compareDecimals(aHigh, bHigh) || compareDecimals(aLow, bLow);
}

export const isAfter = (a: string, b: string): boolean => compareIds(a, b) > 0;
export const laterId = (a: string, b: string): string => (isAfter(b, a) ? b : a);

/** Ids after `id` and still before every later commit: for events whose own place in the log is no longer known. */
export function idsAfter(id: string): () => string {
  const [lsn = "0", n = "0"] = id.split("-");
  let next = Number(n);
  return () => `${lsn}-${++next}`;
}
