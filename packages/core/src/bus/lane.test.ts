import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BusEvent,
  type BusStore,
  type ConsumeOptions,
  type Handler,
  type NewLetter,
  NotNow,
} from "./bus.ts";
import { createLane } from "./lane.ts";

class Away extends Error {}

function setUp(handler: Handler, given: Partial<ConsumeOptions> = {}, parked: string[] = []) {
  const letters: (NewLetter & { sequence: string })[] = [];
  let sequence = 0;
  const store: BusStore = {
    open: async () => parked,
    setAside: async (letter) => void letters.push({ ...letter, sequence: String(++sequence) }),
    replayRequests: async () => [],
    firstLetter: async (_group, key) => {
      const letter = letters.find(({ event }) => event.key === key);
      return letter && { sequence: letter.sequence, event: letter.event, discarded: false };
    },
    removeLetter: async (id) =>
      void letters.splice(
        letters.findIndex((it) => it.sequence === id),
        1,
      ),
    failLetter: async () => {},
    saveProgress: async () => {},
  };
  let progress = () => {};
  const lane = createLane({
    group: "feed",
    partition: 0,
    handler,
    store,
    parked,
    head: "0-0",
    safeAt: 0,
    mayWork: () => true,
    onProgress: () => progress(),
    onTrouble: () => {},
    options: {
      concurrency: 4,
      attempts: 3,
      backoff: { baseMs: 1, limitMs: 2 },
      isAway: (error) => error instanceof Away,
      isOff: () => false,
      ...given,
    },
  });
  const settled = () =>
    new Promise<void>((resolve) => {
      progress = () => setImmediate(() => lane.isIdle && resolve());
      progress();
    });
  return { lane, letters, settled };
}

let made = 0;
const event = (key: string, payload: unknown): BusEvent => ({
  id: `e${++made}`,
  key,
  payload,
  topic: "test.happened",
  version: 1,
  requestId: "r",
  traceparent: undefined,
  at: new Date(0).toISOString(),
});
let lsn = 0;
const entry = (key: string, payload: unknown) => ({
  id: `${++lsn}-0`,
  safeAt: lsn,
  event: event(key, payload),
});

test("events of a key keep their order, keys run beside each other, and no more than allowed", async () => {
  const seen: Record<string, unknown[]> = {};
  let now = 0;
  let most = 0;
  const { lane, settled } = setUp(async ({ key, payload }) => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
    seen[key] = [...(seen[key] ?? []), payload];
    now -= 1;
  });
  lane.take(Array.from({ length: 60 }, (_, n) => entry(`k${n % 6}`, n)));
  await settled();
  for (let k = 0; k < 6; k++)
    assert.deepEqual(
      seen[`k${k}`],
      Array.from({ length: 10 }, (_, n) => n * 6 + k),
    );
  assert.equal(most, 4);
});

test("what fails is tried again, then set aside with its error; its key waits, others go on", async () => {
  const seen: unknown[] = [];
  const { lane, letters, settled } = setUp(async ({ payload }, { attempt }) => {
    if (payload === "poison") throw new Error(`no ${attempt}`);
    seen.push(payload);
  });
  lane.take([
    entry("a", 1),
    entry("a", "poison"),
    entry("b", 2),
    entry("a", 3),
    entry("b", 4),
    entry("a", 5),
  ]);
  await settled();
  assert.deepEqual(seen, [1, 2, 4]);
  assert.deepEqual(
    letters.map(({ event, failure }) => [event.payload, failure]),
    [
      ["poison", { error: "Error: no 3", attempts: 3 }],
      [3, undefined],
      [5, undefined],
    ],
  );
});

test("a replay runs the dead letter, then what waited, and then the key goes on by itself", async () => {
  const seen: unknown[] = [];
  let isMended = false;
  const { lane, letters, settled } = setUp(async ({ payload }) => {
    if (payload === "poison" && !isMended) throw new Error("no");
    seen.push(payload);
  });
  lane.take([entry("a", "poison"), entry("a", 1)]);
  await settled();
  isMended = true;
  lane.replay("a");
  lane.take([entry("a", 2)]);
  await settled();
  while (letters.length > 0) await new Promise((resolve) => setTimeout(resolve, 2));
  lane.take([entry("a", 3)]);
  await settled();
  assert.deepEqual(seen, ["poison", 1, 2, 3]);
});

test("a part that is away is waited for as long as it takes and makes no dead letter", async () => {
  let calls = 0;
  const { lane, letters, settled } = setUp(
    async () => {
      if (++calls < 6) throw new Away("gone");
    },
    { attempts: 1 },
  );
  lane.take([entry("a", 1)]);
  await settled();
  assert.equal(calls, 6);
  assert.deepEqual(letters, []);
});

test("an event that may not run now waits without counting as failed", async () => {
  let isOn = false;
  const attempts: number[] = [];
  const { lane, settled } = setUp(async (_event, { attempt }) => {
    attempts.push(attempt);
    if (!isOn) throw new NotNow("switched off", 1);
  });
  lane.take([entry("a", 1)]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  isOn = true;
  await settled();
  assert.ok(attempts.length > 2);
  assert.deepEqual(new Set(attempts), new Set([1]));
});

test("the position names what is taken and not handled, and is as safe as the oldest of that", async () => {
  const { promise: slow, resolve: letGo } = Promise.withResolvers<void>();
  const { lane, settled } = setUp(async ({ payload }) => {
    if (payload === "slow") await slow;
  });
  const entries = [entry("a", 1), entry("b", "slow"), entry("c", 2)];
  lane.take(entries);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(lane.position(), {
    head: entries[2]!.id,
    pending: [entries[1]!.id],
    safeAt: entries[1]!.safeAt,
  });
  letGo();
  await settled();
  assert.deepEqual(lane.position(), { head: entries[2]!.id, pending: [], safeAt: entries[2]!.safeAt });
});

test("stopping starts nothing more and waits for what runs", async () => {
  const seen: unknown[] = [];
  const { lane } = setUp(
    async ({ payload }) => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      seen.push(payload);
    },
    { concurrency: 1 },
  );
  lane.take([entry("a", 1), entry("b", 2)]);
  await lane.stop(1_000);
  assert.deepEqual(seen, [1]);
  assert.equal(lane.position().pending.length, 1);
});
