import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fixedLive } from "@signalbox/control/live";
import { sendMail } from "./auth/mails.ts";
import type { AsOperator } from "./ctx.ts";
import { listMailbox } from "./mail/index.ts";
import { ctxOf, testWorld, type World } from "./testing.ts";
import { ask } from "./work.ts";

const live = fixedLive({ switches: { "auth.mail.send": { state: "off" } } });
let world: World;
before(async () => {
  world = await testWorld({ deps: { live } });
});
after(() => world.close());

const operator = { kind: "operator", id: "o", name: "o", role: "admin" } as const;
const mails = async () =>
  (await listMailbox(ctxOf(world.deps, operator) as AsOperator, {})).items.map(({ to }) => to);

test("a queue that is switched off keeps its work, which is done once it is on", async () => {
  await world.user("ann_work");
  await world.settle();
  assert.deepEqual(await mails(), []);
  assert.equal((await world.deps.queues.depth(sendMail.queue)).ready, 1);
  live.set({});
  for (let left = 400; (await mails()).length === 0; left -= 1) {
    assert.ok(left > 0, "the mail was not sent");
    await pause(25);
  }
  assert.deepEqual(await mails(), ["ann_work@example.test"]);
  const { delayed, failed, active } = await world.deps.queues.depth(sendMail.queue);
  assert.deepEqual([delayed, failed, active], [0, 0, 0]);
});

test("work that is asked for twice under one id is done once, and of a person who leaves none stays", async () => {
  live.set({ switches: { "auth.mail.send": { state: "off" } } });
  const { id } = await (await world.user("bob_work")).users.me.read();
  const ctx = ctxOf(world.deps, { kind: "job", name: "test" });
  for (let times = 0; times < 2; times += 1)
    await ask(ctx, sendMail, { kind: "notice", userId: id, what: "a test" }, { id: "the-same" });
  const rests = async () => (await world.deps.queues.depth(sendMail.queue)).ready === 1;
  for (let left = 400; !(await rests()); left -= 1) {
    assert.ok(left > 0, "it does not wait");
    await pause(25);
  }
  const { delayed, active } = await world.deps.queues.depth(sendMail.queue);
  assert.deepEqual([delayed, active], [0, 0]);
  assert.equal(await world.deps.queues.remove(sendMail.queue, ({ userId }) => userId === id), 1);
});
