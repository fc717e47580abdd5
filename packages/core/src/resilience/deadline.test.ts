import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { currentDeadline, Deadline, onEnd, readTimeout, timeoutHeader, withDeadline } from "./deadline.ts";

test("a call that takes too long ends, and everything below it hears why", async () => {
  const deadline = new Deadline(30);
  assert.equal(deadline.ended(), undefined);
  const heard = new Promise<string>((resolve) => onEnd(deadline, (why) => resolve(why.code)));
  const { signal } = deadline;
  assert.equal(signal.aborted, false);
  assert.equal(await heard, "deadline");
  assert.equal(signal.aborted, true);
  assert.throws(() => deadline.throwIfEnded(), { code: "deadline" });
  assert.equal(deadline.remainingMs, 0);
});

test("a caller who leaves ends his call", async () => {
  const peer = { destroyed: false };
  const deadline = new Deadline(60_000, peer);
  const { signal } = deadline;
  peer.destroyed = true;
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  assert.equal(signal.reason.code, "cancelled");
});

test("what is answered in time is told nothing", async () => {
  const deadline = new Deadline(25);
  let told = false;
  const watch = onEnd(deadline, () => (told = true));
  const { signal } = deadline;
  deadline.close();
  watch[Symbol.dispose]();
  await pause(60);
  assert.equal(told, false);
  assert.equal(signal.aborted, false);
});

test("of many that wait each hears once, and who left or came meanwhile as well as the others", async () => {
  const short = new Deadline(5);
  const heard: number[] = [];
  const late = Promise.withResolvers<void>();
  const watches = Array.from({ length: 6 }, (_, n) =>
    onEnd(n === 4 ? new Deadline(60_000) : short, () => {
      heard.push(n);
      if (n !== 0) return;
      watches[2]![Symbol.dispose]();
      onEnd(short, () => late.resolve());
    }),
  );
  watches[1]![Symbol.dispose]();
  watches[1]![Symbol.dispose]();
  await late.promise;
  watches[4]![Symbol.dispose]();
  assert.deepEqual(heard, [0, 3, 5]);
});

test("the deadline is found from below the call, and nowhere else", async () => {
  const deadline = new Deadline(1_000);
  await withDeadline(deadline, async () => {
    await pause(1);
    assert.equal(currentDeadline(), deadline);
  });
  assert.equal(currentDeadline(), undefined);
});

test("the header is read as it is written", () => {
  assert.equal(timeoutHeader, "x-request-timeout");
  assert.equal(readTimeout(undefined), undefined);
  assert.equal(readTimeout("1500ms"), 1_500);
  assert.equal(readTimeout("2s"), 2_000);
  assert.equal(readTimeout(" 0.25 "), 250);
  const sent = readTimeout(new Deadline(800).header())!;
  assert.ok(sent > 700 && sent <= 800);
  for (const bad of ["", "soon", "-1", "0", "1h", "1e3", "NaN", "99999999"])
    assert.throws(() => readTimeout(bad), { code: "malformed" });
});
