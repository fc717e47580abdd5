// How far a live stream has come in a list: every id up to a place was given, and of those above it the ones that were. Ids are
// times, made by several hosts and committed in another order than they were made; so the place stays some seconds behind the
// present, and what comes in above it late is given still, and once. A mark is all that a stream needs to go on anywhere.

import { AppError } from "@signalbox/core/errors";
import { idFloor } from "@signalbox/core/ids";
import { z } from "zod";

/** What clocks differ by and a transaction takes, generously. */
const overlapMs = 10_000;
/** Given in one turn. */
const pageSize = 100;
/** With more than this above its place, the place moves up. */
const maxSeen = 512;
const idBytes = 16;
/** Random in every id: tells those of a few seconds apart. */
const tailBytes = 6;

export const Since = z.object({
  after: z.string().max(8_000).optional().describe("a mark; absent: from now on"),
});
export type Since = z.infer<typeof Since>;

export const LivePage = <Item extends z.ZodType>(item: Item) =>
  z.object({
    items: z.array(z.object({ mark: z.string(), item })),
    mark: z.string().describe("where to go on"),
    more: z.boolean().describe("there is more to give at once"),
  });
export type LivePage<Item> = { items: { mark: string; item: Item }[]; mark: string; more: boolean };

export type Mark = { after: string; seen: ReadonlySet<string> };

const tailOf = (id: string) => id.slice(-2 * tailBytes);

export function sealMark({ after, seen }: Mark): string {
  return Buffer.from(after.replaceAll("-", "") + [...seen].join(""), "hex").toString("base64url");
}

/** Anything that we did not hand out is refused, not ignored. */
export function openMark(text: string): Mark {
  const bytes = Buffer.from(text, "base64url");
  const tails = bytes.length - idBytes;
  if (tails < 0 || tails % tailBytes !== 0 || bytes.toString("base64url") !== text) throw foreignMark();
  const hex = bytes.toString("hex");
  const after = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
  return { after, seen: new Set(hex.slice(32).match(new RegExp(`.{${2 * tailBytes}}`, "g"))) };
}

/** Before what is new at an instant. */
export const startMark = (nowMs: number) =>
  sealMark({ after: idFloor(new Date(nowMs - overlapMs)), seen: new Set() });

export const foreignMark = () =>
  new AppError("invalid", "Last-Event-ID: is not one that this stream handed out", {
    errors: [{ field: "Last-Event-ID", message: "is not one that this stream handed out" }],
  });

type List<Item> = {
  after: string | undefined;
  nowMs: number;
  /** The next ids above a place, ascending. */
  idsAbove(floor: string, size: number): Promise<string[]>;
  /** Those of them that are shown, in any order. */
  show(ids: string[]): Promise<Item[]>;
};

export async function followUp<Item extends { id: string }>(list: List<Item>): Promise<LivePage<Item>> {
  const { after, nowMs, idsAbove, show } = list;
  const settled = idFloor(new Date(nowMs - overlapMs));
  if (after === undefined) {
    // From now on: what is there has been seen, and what is still being committed has not.
    const ids = await idsAbove(settled, maxSeen);
    return { items: [], mark: sealMark({ after: settled, seen: new Set(ids.map(tailOf)) }), more: false };
  }
  const from = openMark(after);
  const size = pageSize + from.seen.size;
  const ids = await idsAbove(from.after, size);
  const { fresh, last } = advance(from, ids, { settled, isCut: ids.length === size });
  const shown = new Map((await show(fresh.map(({ id }) => id))).map((item) => [item.id, item]));
  return {
    items: fresh.flatMap(({ id, mark }) => {
      const item = shown.get(id);
      return item ? [{ mark: sealMark(mark), item }] : [];
    }),
    mark: sealMark(last),
    more: ids.length === size,
  };
}

/** What of these ids is new, each with the mark that holds once it is given, and the mark after all of them. */
function advance(
  from: Mark,
  ids: string[],
  { settled, isCut }: { settled: string; isCut: boolean },
): { fresh: { id: string; mark: Mark }[]; last: Mark } {
  const given = new Set(from.seen);
  // Where the list was cut, seen ones may lie beyond the cut; they stay until it is read to its end.
  const markAt = (place: string): Mark => {
    let after = place > from.after ? place : from.after;
    const above = ids.filter((id) => id > after && given.has(tailOf(id)));
    if (above.length > maxSeen) after = above.at(-maxSeen - 1)!;
    const seen = isCut ? given : above.filter((id) => id > after).map(tailOf);
    return { after, seen: new Set(seen) };
  };
  const fresh = ids.flatMap((id) => {
    if (from.seen.has(tailOf(id))) return [];
    given.add(tailOf(id));
    return [{ id, mark: markAt(id <= settled ? id : lowerOf(settled, id)) }];
  });
  const end = isCut ? lowerOf(settled, ids.at(-1)!) : settled;
  return { fresh, last: markAt(end) };
}

const lowerOf = (a: string, b: string) => (a < b ? a : b);
