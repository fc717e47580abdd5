import assert from "node:assert/strict";
import { test } from "node:test";
import { idFloor, newId } from "@signalbox/core/ids";
import { followUp, openMark, sealMark } from "./mark.ts";

/** Ids made over time by two hosts, each there for readers some seconds after it was made. */
function makeList(count: number, random: () => number) {
  const startMs = 1_800_000_000_000;
  const rows = Array.from({ length: count }, (_, n) => {
    const madeMs = startMs + n * 40 + Math.floor(random() * 40);
    const tail = Math.floor(random() * 2 ** 47)
      .toString(16)
      .padStart(12, "0");
    return {
      id: idFloor(new Date(madeMs)).slice(0, 24) + tail,
      thereMs: madeMs + (random() < 0.3 ? random() * 9_000 : random() * 20),
    };
  });
  let nowMs = startMs;
  return {
    rows,
    at: (ms: number) => {
      nowMs = startMs + ms;
    },
    read: (after: string | undefined) =>
      followUp<{ id: string }>({
        after,
        nowMs,
        idsAbove: async (floor, size) =>
          rows
            .filter(({ id, thereMs }) => thereMs <= nowMs && id > floor)
            .map(({ id }) => id)
            .sort()
            .slice(0, size),
        show: async (ids) => ids.map((id) => ({ id })),
      }),
  };
}

function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test("what is committed late and out of order is given once, however often the stream is cut in the middle", async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = randomFrom(seed);
    const list = makeList(600, random);
    list.at(0);
    let { mark } = await list.read(undefined);
    const given: string[] = [];
    for (let ms = 0; ms < 60_000; ms += Math.floor(random() * 3_000)) {
      list.at(ms);
      for (let more = true; more; ) {
        const page = await list.read(mark);
        // The connection breaks after some of them: the client's last event says where it was.
        const taken =
          random() < 0.4 ? page.items.slice(0, Math.floor(random() * page.items.length)) : page.items;
        given.push(...taken.map(({ item }) => item.id));
        const isCut = taken.length < page.items.length;
        mark = isCut ? (taken.at(-1)?.mark ?? mark) : page.mark;
        more = isCut || page.more;
      }
    }
    assert.equal(new Set(given).size, given.length, `seed ${seed}: something twice`);
    assert.deepEqual(
      [...given].sort(),
      list.rows.map(({ id }) => id).sort(),
      `seed ${seed}: something is missing`,
    );
  }
});

test("a mark is read as it was written, and no other text is one", () => {
  const mark = { after: newId(), seen: new Set(["0123456789ab", "ba9876543210"]) };
  assert.deepEqual(openMark(sealMark(mark)), mark);
  for (const text of ["", "x", "!!!", sealMark(mark).slice(0, -1), `${sealMark(mark)}=`])
    assert.throws(() => openMark(text), /Last-Event-ID/);
});
