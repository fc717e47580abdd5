import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "@signalbox/core/ids";
import { beginning, decodeId, encodeId, openTimeline } from "./entries.ts";

const ids = Array.from({ length: 60 }, () => newId()).sort();

test("ids come out of bytes as they went in", () => {
  assert.deepEqual(ids.map(encodeId).map(decodeId), ids);
});

test("in whatever order and however often entries arrived: newest first, each once, and none below the floor", () => {
  for (let run = 0; run < 2_000; run += 1) {
    const some = () => ids[Math.floor(Math.random() * ids.length)]!;
    const arrived = Array.from({ length: run % 120 }, some);
    // Half of them nearly in order, as lists are.
    if (run % 2 === 0) arrived.sort().reverse().splice(3, 0, some());
    const floor = run % 3 === 0 ? undefined : some();
    const place = run % 5 === 0 ? undefined : some();
    const said = JSON.stringify({ arrived, floor, place });
    const timeline = openTimeline([...arrived.map(encodeId), floor ? encodeId(floor) : beginning]);
    const expected = [...new Set(arrived)].filter((id) => (!floor || id > floor) && (!place || id < place));
    assert.deepEqual(timeline.below(place, 20), expected.sort().reverse().slice(0, 20), said);
    assert.equal(timeline.isWhole, floor === undefined);
    assert.deepEqual(
      ids.filter(timeline.holds),
      ids.filter((id) => !floor || id > floor),
    );
  }
});

test("a list that nothing was pushed to is its floor alone", () => {
  const timeline = openTimeline([beginning]);
  assert.deepEqual(timeline.below(undefined, 10), []);
  assert.equal(timeline.isWhole, true);
});
