// What one may mean by a few letters: every word typed must be in the name, and a name that begins so comes first.

export type Place = {
  kind: "Page" | "Switch" | "Limit" | "Person";
  name: string;
  href: string;
  hint: React.ReactNode;
  /** Offered whatever is typed, after all that fits. */
  last?: boolean;
};

export function rankPlaces(places: Place[], typed: string, atMost: number): Place[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const scored = places
    .map((place) => ({ place, score: place.last ? Number.MAX_SAFE_INTEGER : scoreOf(place, words) }))
    .filter((it) => it.score !== undefined) as { place: Place; score: number }[];
  const inOrder = scored.toSorted((a, b) => a.score - b.score).map(({ place }) => place);
  const shown = inOrder.slice(0, atMost);
  const last = inOrder.find((place) => place.last);
  return last && !shown.includes(last) ? [...shown.slice(0, -1), last] : shown;
}

const kindOrder = { Page: 0, Switch: 1, Limit: 2, Person: 3 } as const;

function scoreOf({ kind, name }: Place, words: string[]): number | undefined {
  const lower = name.toLowerCase();
  const all = `${kind.toLowerCase()} ${lower}`;
  if (!words.every((word) => all.includes(word))) return undefined;
  const first = words[0] ?? "";
  // At the start of the name, of one of its parts, inside; then shorter before longer.
  const start = lower.startsWith(first)
    ? 0
    : lower.split(/[ .]/).some((part) => part.startsWith(first))
      ? 1
      : 2;
  return start * 10_000 + kindOrder[kind] * 1_000 + Math.min(lower.length, 999);
}
