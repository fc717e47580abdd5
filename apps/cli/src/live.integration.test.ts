import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { listen } from "./testing/events.ts";
import { eventually, freePortBase } from "./testing/harness.ts";
import { startInstallForTest } from "./testing/install.ts";
import { createPeople } from "./testing/people.ts";

test("a live stream gives each new post once and in order, though Redis and the api are killed meanwhile", async (t) => {
  const install = await startInstallForTest({ portBase: await freePortBase() });
  t.after(() => install.stop());
  const people = createPeople(install.runFile().api);
  const [reader, author] = [await people.register("reader"), await people.register("author")];
  await people.call("PUT", `/v1/users/${author.handle}/follow`, reader.token);
  const listeners = [1, 2].map(() => listen(() => install.runFile().api, reader.token));
  t.after(() => Promise.all(listeners.map((each) => each.stop())));
  await eventually(() => listeners.every(({ connections }) => connections === 1), "both are connected");

  for (let n = 0; n < 24; n += 1) {
    if (n === 8) process.kill(install.pid("redis"), "SIGKILL");
    if (n === 16) process.kill(install.pid("api"), "SIGKILL");
    const write = () => people.call("POST", "/v1/posts", author.token, { text: `live ${n}` });
    while ((await write().catch(() => undefined))?.status !== 201) await pause(100);
  }
  // Oldest first; what was written and not answered is among them.
  const { body } = await people.call("GET", `/v1/users/${author.handle}/posts?limit=100`);
  const made = body.items.map(({ id }: { id: string }) => id).reverse();
  await eventually(
    () => listeners.every(({ posts }) => posts.length >= made.length),
    "all posts have come",
    40_000,
  );
  for (const { posts, connections } of listeners) {
    assert.deepEqual(posts, made);
    assert.ok(connections >= 2, "the killed api cut the stream");
  }
});
