import assert from "node:assert/strict";
import { test } from "node:test";
import { instantOf, isTimeZone, nextDue, readLocal } from "./wall-clock.ts";

const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
const when = (local: string, zone: string) => iso(instantOf(readLocal(local)!, zone));

test("a time on a wall is an instant, in winter, in summer and at the ends of the earth", () => {
  assert.equal(when("2026-01-15T18:00", "Europe/Berlin"), "2026-01-15T17:00:00.000Z");
  assert.equal(when("2026-07-15T18:00", "Europe/Berlin"), "2026-07-15T16:00:00.000Z");
  assert.equal(when("2026-07-15T18:00", "UTC"), "2026-07-15T18:00:00.000Z");
  assert.equal(when("2026-07-15T06:00", "Pacific/Kiritimati"), "2026-07-14T16:00:00.000Z");
  assert.equal(when("2026-07-15T06:00", "Asia/Kathmandu"), "2026-07-15T00:15:00.000Z");
});

test("a time that clocks show twice is the earlier, one that they leap over is later by the leap", () => {
  assert.equal(when("2026-10-25T02:30", "Europe/Berlin"), "2026-10-25T00:30:00.000Z");
  assert.equal(when("2026-03-29T02:30", "Europe/Berlin"), "2026-03-29T01:30:00.000Z");
});

test("what is no day, time or zone is not taken for one", () => {
  for (const local of ["2026-02-30T10:00", "2026-01-01T24:30", "2026-1-1T1:00", "tomorrow", ""])
    assert.equal(readLocal(local), undefined, local);
  assert.deepEqual(["Europe/Berlin", "UTC", "Mars/Olympus", ""].map(isTimeZone), [true, true, false, false]);
});

test("the next run keeps its time on the wall over a change of the clocks", () => {
  const daily = { at: "2026-03-27T09:00", timeZone: "Europe/Berlin", repeat: "daily" } as const;
  assert.equal(iso(nextDue(daily, 0)), "2026-03-27T08:00:00.000Z");
  assert.equal(iso(nextDue(daily, Date.parse("2026-03-28T08:00:00Z"))), "2026-03-29T07:00:00.000Z");
  const weekly = { ...daily, repeat: "weekly" } as const;
  assert.equal(iso(nextDue(weekly, Date.parse("2026-03-27T08:00:00Z"))), "2026-04-03T07:00:00.000Z");
  const once = { ...daily, repeat: "once" } as const;
  assert.equal(nextDue(once, Date.parse("2026-03-27T08:00:00Z")), undefined);
});

test("whatever the zone and moment, runs follow each other: later than asked, and a day apart on the wall", () => {
  for (const timeZone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo"]) {
    const plan = { at: "2026-01-01T02:15", timeZone, repeat: "daily" } as const;
    let now = Date.parse("2025-12-31T00:00:00Z");
    for (let n = 0; n < 400; n++) {
      const due = nextDue(plan, now)!;
      assert.ok(due > now);
      if (n > 0)
        assert.ok(Math.abs(due - now - 86_400_000) <= 3_600_000, `${timeZone}: ${iso(now)} to ${iso(due)}`);
      now = due;
    }
  }
});
