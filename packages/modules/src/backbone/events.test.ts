import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import type { BusEvent } from "@signalbox/core/bus/bus";
import { NotNow } from "@signalbox/core/bus/bus";
import { newId } from "@signalbox/core/ids";
import { z } from "zod";
import { type Deps, defineEvent, on } from "../ctx.ts";
import { jobHandler } from "../run-jobs.ts";
import { testWorld } from "../testing.ts";
import { events, eventsPage } from "./events.ts";

test("docs/events.md is what the schemas say", async () => {
  const path = new URL("../../../../docs/events.md", import.meta.url);
  if (process.env.UPDATE_DOCS) await writeFile(path, eventsPage());
  assert.equal(await readFile(path, "utf8"), eventsPage());
});

test("every event has one name, a user, and an upgrade from each version before it", () => {
  const names = events.map(({ event }) => event.name);
  assert.deepEqual(names, [...new Set(names)]);
  for (const { event } of events) {
    const { required } = z.toJSONSchema(event.schema) as { required: string[] };
    assert.ok(required.includes("userId"), `${event.name} has no userId`);
    const older = Array.from({ length: event.version - 1 }, (_, at) => String(at + 1));
    assert.deepEqual(Object.keys(event.upgrades), older, event.name);
  }
});

test("an older version is read through its upgrades, a newer one waits for the release that knows it", async () => {
  const world = await testWorld();
  const heard: unknown[] = [];
  const moved = defineEvent(
    "test.moved",
    3,
    z.object({ userId: z.string(), to: z.string(), far: z.boolean() }),
    {
      1: ({ userId, place }: { userId: string; place: string }) => ({ userId, to: place }),
      2: (payload: object) => ({ ...payload, far: false }),
    },
  );
  const handle = jobHandler(world.deps as Deps, [
    on(moved, "test.move.hear", async (_ctx, payload) => void heard.push(payload)),
  ]);
  const came = (version: number, payload: object): BusEvent => ({
    id: newId(),
    topic: "test.moved",
    version,
    key: "u",
    payload,
    requestId: "r",
    traceparent: undefined,
    at: new Date().toISOString(),
  });
  const delivery = { group: "test", partition: 0, attempt: 1 };
  await handle(came(1, { userId: "u", place: "Rome" }), delivery);
  await handle(came(2, { userId: "u", to: "Bern" }), delivery);
  await handle(came(3, { userId: "u", to: "Oslo", far: true }), delivery);
  assert.deepEqual(heard, [
    { userId: "u", to: "Rome", far: false },
    { userId: "u", to: "Bern", far: false },
    { userId: "u", to: "Oslo", far: true },
  ]);
  await assert.rejects(async () => handle(came(4, { userId: "u" }), delivery), NotNow);
  assert.equal(heard.length, 3);
  await world.close();
});
