// What every implementation of the bus must keep. A test file calls this with a way to make one.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { newId } from "../ids.ts";
import type { Bus, BusEvent } from "./bus.ts";

export type BusUnderTest = {
  /** One more worker on the same bus. */
  join(): Bus;
  publish(events: BusEvent[]): Promise<void>;
  /** Asks for every dead letter of the group to run again. */
  replay(group: string): Promise<void>;
  deadLetters(
    group: string,
  ): Promise<{ eventId: string; error: string; attempts: number; waiting: number }[]>;
  close(): Promise<void>;
};

export function busContract(name: string, make: () => Promise<BusUnderTest>): void {
  describe(name, () => {
    let it: BusUnderTest;
    const joined: Bus[] = [];
    before(async () => {
      it = await make();
    });
    after(async () => {
      await Promise.all(joined.map((bus) => bus.close()));
      await it.close();
    });
    const join = () => {
      const bus = it.join();
      joined.push(bus);
      return bus;
    };
    let groups = 0;
    const newGroup = () => `group${++groups}`;

    test("every group sees every event, those of a key in order", async () => {
      const users = makeUsers(20);
      const events = makeEvents(users, 200);
      const bus = join();
      const seen = [collect(), collect()];
      for (const each of seen) bus.consume(newGroup(), each.handler);
      await it.publish(events.slice(0, 120));
      await it.publish(events.slice(120));
      for (const each of seen) {
        await until(() => each.of(events).length >= 200);
        assertOrder(each.events, events);
      }
      await bus.close();
    });

    test("workers of a group share its partitions, and one that leaves is succeeded at once", async () => {
      const group = newGroup();
      const [one, two] = [join(), join()];
      const seen = [collect(), collect()];
      one.consume(group, seen[0]!.handler);
      two.consume(group, seen[1]!.handler);
      const held = (bus: Bus) => bus.held()[group]?.length ?? 0;
      await until(() => held(one) === 4 && held(two) === 4);
      const events = makeEvents(makeUsers(40), 200);
      await it.publish(events.slice(0, 100));
      const handled = () => seen.flatMap((each) => each.of(events));
      await until(() => handled().length >= 100);
      assert.ok(seen.every((each) => each.of(events).length > 0));
      const left = performance.now();
      await one.close();
      await until(() => held(two) === 8);
      assert.ok(performance.now() - left < 1_500, "a worker that says goodbye is succeeded at once");
      await it.publish(events.slice(100));
      await until(() => handled().length >= 200);
      assertOrder(handled(), events);
      await two.close();
    });

    test("a group goes on where it stopped", async () => {
      const group = newGroup();
      const events = makeEvents(makeUsers(5), 60);
      const first = collect();
      const bus = join();
      bus.consume(group, first.handler);
      await it.publish(events.slice(0, 30));
      await until(
        () => first.events.filter(({ id }) => events.some((event) => event.id === id)).length >= 30,
      );
      await bus.close();
      await it.publish(events.slice(30));
      const second = collect();
      const next = join();
      next.consume(group, second.handler);
      await until(() => second.of(events).length >= 30);
      await pause(100);
      assert.deepEqual(new Set(ids(second.of(events))), new Set(ids(events.slice(30))));
      await next.close();
    });

    test("an event that keeps failing becomes a dead letter, its key waits behind it, and a replay keeps the order", async () => {
      const group = newGroup();
      const users = makeUsers(8);
      const events = makeEvents(users, 40);
      const poison = events[3]!;
      const ofKey = events.filter(({ key }) => key === poison.key);
      let isMended = false;
      const seen = collect();
      const bus = join();
      bus.consume(
        group,
        async (event, delivery) => {
          if (event.id === poison.id && !isMended) throw new Error("it does not work");
          await seen.handler(event, delivery);
        },
        { attempts: 3, backoff: { baseMs: 5, limitMs: 20 } },
      );
      const mine = () => seen.of(events);
      await it.publish(events);
      await until(() => mine().length === 40 - ofKey.length);
      await until(async () => (await it.deadLetters(group))[0]?.waiting === ofKey.length - 1);
      const [letter] = await it.deadLetters(group);
      assert.equal(letter!.eventId, poison.id);
      assert.equal(letter!.attempts, 3);
      assert.match(letter!.error, /it does not work/);
      isMended = true;
      await it.replay(group);
      await until(() => mine().length === 40);
      assertOrder(mine(), events);
      await until(async () => (await it.deadLetters(group)).length === 0);
      const [last] = makeEvents([poison.key], 1);
      await it.publish([last!]);
      await until(() => seen.events.some(({ id }) => id === last!.id));
      await bus.close();
    });

    test("a group that is switched off stops at its position, also for a successor, and goes on from there", async () => {
      const group = newGroup();
      let isOff = false;
      const seen = collect();
      const [one, two] = [join(), join()];
      const consume = (bus: Bus) => bus.consume(group, seen.handler, { isOff: () => isOff });
      const lag = async (bus: Bus) => (await bus.lag(group)).reduce((sum, { events }) => sum + events, 0);
      consume(one);
      const users = makeUsers(6);
      const before = makeEvents(users, 30);
      const after = makeEvents(users, 60);
      await it.publish(before);
      await until(() => seen.of(before).length === 30);
      await until(async () => (await lag(one)) === 0);
      isOff = true;
      await it.publish(after);
      await until(async () => (await lag(one)) === 60);
      await one.close();
      consume(two);
      await until(() => two.held()[group]?.length === 8);
      assert.equal(seen.of(after).length, 0);
      assert.equal(await lag(two), 60);
      isOff = false;
      await until(() => seen.of(after).length === 60);
      assertOrder(seen.events, [...before, ...after]);
      assert.equal(seen.events.filter(({ id }) => ids(before).includes(id)).length, 30);
      await two.close();
    });

    test("lag counts what is not handled, and its age", async () => {
      const group = newGroup();
      const bus = join();
      const { promise: mayGo, resolve: go } = Promise.withResolvers<void>();
      const seen = collect();
      bus.consume(group, async (event, delivery) => {
        await mayGo;
        await seen.handler(event, delivery);
      });
      await until(() => bus.held()[group]?.length === 8);
      const count = async () => (await bus.lag(group)).reduce((sum, { events }) => sum + events, 0);
      const before = await count();
      await it.publish(makeEvents(makeUsers(3), 12));
      await until(async () => (await count()) === before + 12);
      assert.ok((await bus.lag(group)).some(({ oldestMs }) => oldestMs > 0));
      go();
      await until(async () => (await count()) === 0);
      assert.ok((await bus.lag(group)).every(({ oldestMs }) => oldestMs === 0));
      await bus.close();
    });

    test("a group can go back to an instant, and to an event", async () => {
      const group = newGroup();
      const bus = join();
      const seen = collect();
      bus.consume(group, seen.handler);
      const [user] = makeUsers(1);
      const later = new Date(Date.now() + 60_000);
      const old = makeEvents([user!], 5);
      const fresh = makeEvents([user!], 5, later);
      await it.publish([...old, ...fresh]);
      const mine = () => seen.events.filter(({ key }) => key === user).map(({ id }) => id);
      await until(() => mine().length === 10);
      await bus.rewind(group, { at: later });
      await until(() => mine().length >= 15);
      assert.deepEqual(mine().slice(10), ids(fresh));
      await bus.rewind(group, { id: old[3]!.id });
      await until(() => mine().length >= 22);
      assert.deepEqual(mine().slice(15), ids([...old.slice(3), ...fresh]));
      await bus.close();
    });
  });
}

const ids = (events: BusEvent[]) => events.map(({ id }) => id);
export const makeUsers = (count: number): string[] => Array.from({ length: count }, () => newId());

export function makeEvents(users: string[], count: number, at = new Date()): BusEvent[] {
  return Array.from({ length: count }, (_, n) => {
    const key = users[n % users.length]!;
    return {
      id: newId(),
      topic: "test.happened",
      version: 1,
      key,
      payload: { userId: key, n },
      requestId: `request-${n}`,
      traceparent: undefined,
      at: at.toISOString(),
    };
  });
}

/** A handler that remembers. A new group sees what was published before it, so `of` picks what a test sent itself. */
export function collect() {
  const events: BusEvent[] = [];
  return {
    events,
    of: (sent: BusEvent[]) => {
      const wanted = new Set(ids(sent));
      return events.filter(({ id }) => wanted.has(id));
    },
    handler: async (event: BusEvent, _delivery?: unknown) => void events.push(event),
  };
}

/** Every sent event is there, and the first time each of a key was seen is in the order of sending. */
export function assertOrder(seen: BusEvent[], sent: BusEvent[]): void {
  for (const key of new Set(sent.map((event) => event.key))) {
    const wanted = ids(sent.filter((event) => event.key === key));
    const found = [...new Set(ids(seen.filter((event) => event.key === key)))].filter((id) =>
      wanted.includes(id),
    );
    assert.deepEqual(found, wanted);
  }
}

export async function until(isSo: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> {
  const limit = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > limit) throw new Error(`not so after ${limitMs} ms: ${isSo}`);
    await pause(10);
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
