import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fixedLive } from "@signalbox/control/live";
import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import type { AsUser } from "../ctx.ts";
import { appRouter } from "../index.ts";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { perform } from "./index.ts";
import { openWriteQueue, type Write, type WriteQueue } from "./write-queue.ts";

const most = 5;
const live = fixedLive({ numbers: { "feed.writeQueue": { value: most } } });
let world: World;
let folder: string;
let isAway = false;
let queue: WriteQueue;
const tried: string[] = [];

const away = () => new AppError("unavailable", "the database does not answer", { retryAfterMs: 100 });
const open = async () => {
  const opened = await openWriteQueue({
    ...world.deps,
    folder,
    live,
    async perform(write: Write) {
      tried.push((write.raw as { text: string }).text);
      if (isAway) throw away();
      return perform(world.deps, write);
    },
  });
  assert.ok(opened);
  return opened;
};

before(async () => {
  world = await testWorld({ deps: { live } });
  folder = mkdtempSync(join(tmpdir(), "signalbox-writes-"));
  queue = await open();
});
after(async () => {
  await queue.close();
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

async function person(handle: string) {
  const { id } = await (await world.user(handle)).users.me.read();
  const ctx = (key?: string) =>
    ({
      ...ctxOf(world.deps, { kind: "user", id, sessionId: newId() }),
      writes: queue,
      // As while it is away: whatever a call asks first is refused. Its key is asked for first of all.
      ...(isAway ? { sql: Object.assign(() => Promise.reject(away()), world.deps.sql) } : {}),
      ...(key ? { idempotencyKey: key } : {}),
    }) as AsUser;
  return {
    async post(text: string, key?: string) {
      const mine = ctx(key);
      const outcome = await appRouter
        .createCaller(mine)
        .feed.post.create({ text })
        .then(
          ({ id }) => id,
          (error) => (error.cause as AppError).code,
        );
      return { outcome, place: mine.answer.headers.Location?.split("/").at(-1) };
    },
    state: (id: string) => appRouter.createCaller(ctx()).feed.write.read({ id }),
    texts: async () =>
      (await world.guest().feed.post.list({ handle, limit: 100 })).items.map(({ text }) => text).reverse(),
  };
}

async function until(holds: () => Promise<boolean> | boolean) {
  for (let left = 400; !(await holds()); left -= 1) {
    assert.ok(left > 0, "it did not come true");
    await pause(25);
  }
}

test("posts are taken while the database is away, done in their order once it is back, and each once", async () => {
  const [ann, bob] = [await person("ann_wq"), await person("bob_wq")];
  isAway = true;
  const taken = [
    await ann.post("one"),
    await ann.post("two", "key-2"),
    await bob.post("three"),
    await ann.post("two", "key-2"),
  ];
  assert.deepEqual(
    taken.map(({ outcome }) => outcome),
    ["queued", "queued", "queued", "queued"],
  );
  assert.equal(taken[1]!.place, taken[3]!.place, "the same key is the same write");
  assert.deepEqual(await ann.state(taken[0]!.place!), { id: taken[0]!.place, status: "queued" });
  await assert.rejects(bob.state(taken[0]!.place!), /no write of yours/);
  // The process goes and comes back; what it took is on the disk.
  await queue.close();
  queue = await open();
  isAway = false;
  // Behind his own: in the order in which he wrote.
  const late = await (await person("ann_wq")).post("four");
  assert.ok(late.outcome === "queued" || queue.holds("") === false);
  await until(async () => (await (await person("ann_wq")).texts()).length === 3);
  const annNow = await person("ann_wq");
  assert.deepEqual(await annNow.texts(), ["one", "two", "four"]);
  await until(async () => (await bob.texts()).length === 1);
  const done = await annNow.state(taken[1]!.place!);
  assert.equal(done.status, "done");
  assert.equal(done.result?.text, "two");
  // Sent again under its key after all: the same post.
  assert.equal((await annNow.post("two", "key-2")).outcome, done.result?.id);
  assert.deepEqual(await annNow.texts(), ["one", "two", "four"]);
});

test("what is refused when its turn comes says why; what does not fit, or is switched off, is refused at once", async () => {
  const cal = await person("cal_wq");
  isAway = true;
  const bad = await (await person("cal_wq")).post("gone");
  const fit: string[] = [];
  for (let n = 0; n < most; n += 1) fit.push((await (await person("cal_wq")).post(`${n}`)).outcome);
  assert.deepEqual(fit, ["queued", "queued", "queued", "queued", "unavailable"]);
  live.set({ numbers: { "feed.writeQueue": { value: 0 } } });
  assert.equal((await (await person("dan_wq")).post("off", newId())).outcome, "unavailable");
  live.set({
    numbers: { "feed.writeQueue": { value: most } },
    switches: { "feed.post.create.queue": { state: "off" } },
  });
  assert.equal((await (await person("dan_wq")).post("off", newId())).outcome, "unavailable");
  live.set({ numbers: { "feed.writeQueue": { value: most } } });
  // An account that is gone writes nothing any more.
  const { id } = await (await world.user("cal_wq")).users.me.read();
  await world.deps.sql`delete from users where id = ${id}`;
  isAway = false;
  await until(async () => (await cal.state(bad.place!)).status !== "queued");
  assert.deepEqual((await cal.state(bad.place!)).problem?.code, "unauthorized");
});
