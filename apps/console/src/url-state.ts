// What a page shows is written in its address, so that a link shows a colleague the same thing.

/** A closed set of values under one name; anything else in the address reads as the first. */
export type Choice<V extends string> = { name: string; values: readonly [V, ...V[]] };

export function readChoice<V extends string>({ name, values }: Choice<V>, params: Params): V {
  const given = params.get(name);
  return values.find((value) => value === given) ?? values[0];
}

/** The address with some names changed. What is empty, or what is meant without being said, stays out of it. */
export function withParams(
  path: string,
  params: Params,
  changes: Record<string, string | null>,
  defaults: Record<string, string> = {},
): string {
  const next = new URLSearchParams(params.toString());
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "" || value === defaults[name]) next.delete(name);
    else next.set(name, value);
  }
  const query = next.toString();
  return query ? `${path}?${query}` : path;
}

export type Sort<K extends string> = { by: K; direction: "asc" | "desc" };

/** `-p95` sorts p95 from the largest, `key` sorts key from a. */
export function readSort<K extends string>(
  columns: readonly K[],
  fallback: Sort<K>,
  params: Params,
): Sort<K> {
  const given = params.get("sort");
  const by = columns.find((column) => column === given?.replace(/^-/, ""));
  return given && by ? { by, direction: given.startsWith("-") ? "desc" : "asc" } : fallback;
}

export const writeSort = <K extends string>({ by, direction }: Sort<K>) =>
  direction === "desc" ? `-${by}` : by;

/** The same heading again turns the order round; another one starts with its most telling end. */
export function nextSort<K extends string>(now: Sort<K>, column: K, first: Sort<K>["direction"]): Sort<K> {
  if (now.by !== column) return { by: column, direction: first };
  return { by: column, direction: now.direction === "desc" ? "asc" : "desc" };
}

/** Where to go after sign-in: a path of this console and nothing else, whatever the address says. */
export function safeNext(given: string | null | undefined): string {
  if (!given?.startsWith("/") || /^\/[/\\]/.test(given)) return "/";
  try {
    const url = new URL(given, "http://console.invalid");
    if (url.origin !== "http://console.invalid" || url.pathname.startsWith("/sign-in")) return "/";
    return `${url.pathname}${url.search}`;
  } catch {
    return "/";
  }
}

export type Params = { get(name: string): string | null; toString(): string };
