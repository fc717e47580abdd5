import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { eventually, freePortBase } from "./testing/harness.ts";
import { startInstallForTest } from "./testing/install.ts";
import { createPeople } from "./testing/people.ts";

test("posts that were taken without a database outlive kill -9 of the api, and are published once each and in order", async (t) => {
  const install = await startInstallForTest({ portBase: await freePortBase() });
  t.after(() => install.stop());
  const { api, operator } = install.runFile();
  const people = createPeople(api);
  const author = await people.register("author");
  const post = (text: string, key?: string) =>
    people.call("POST", "/v1/posts", author.token, { text }, key ? { "idempotency-key": key } : {});
  const texts = async () => {
    const answer = await people
      .call("GET", `/v1/users/${author.handle}/posts?limit=100`)
      .catch(() => undefined);
    const items: { text: string }[] = answer?.status === 200 ? answer.body.items : [];
    return items.map(({ text }) => text).reverse();
  };
  const set = await fetch(`${operator}/operator/v1/numbers/feed.writeQueue`, {
    method: "PUT",
    headers: { authorization: `Bearer ${install.operatorToken}`, "content-type": "application/json" },
    body: JSON.stringify({ value: 1_000, reason: "a test" }),
  });
  assert.equal(set.status, 200, await set.text());
  await eventually(async () => (await post("before")).status === 201, "a first post");

  const pid = install.pid("postgres");
  process.kill(pid, "SIGKILL");
  const expected: string[] = [];
  let queued = 0;
  let place: string | undefined;
  // As long as it takes the supervisor to bring it back, and a little longer.
  for (let n = 0; n < 60; n += 1) {
    const answer = await post(`taken ${n}`, `key-${n}`).catch(() => undefined);
    if (answer?.status === 202) {
      queued += 1;
      place = answer.headers.get("location") ?? undefined;
      assert.match(place ?? "", /^\/v1\/writes\/[0-9a-f-]{36}$/);
    }
    if (answer?.status === 201 || answer?.status === 202) expected.push(`taken ${n}`);
    // With some on its disk and nothing else, it dies.
    if (queued === 3 && answer?.status === 202) process.kill(install.pid("api"), "SIGKILL");
    if (answer === undefined) await pause(100);
  }
  t.diagnostic(`${queued} posts were taken without a database`);
  assert.ok(queued >= 3, "none was taken");
  const taken = new Set(expected);
  await eventually(async () => {
    const seen = new Set(await texts());
    return expected.every((text) => seen.has(text));
  }, "all that was taken is published");
  const all = (await texts()).filter((text) => text.startsWith("taken"));
  assert.equal(new Set(all).size, all.length, "one was published twice");
  // What was cut off without an answer may be there too.
  assert.deepEqual(
    all.filter((text) => taken.has(text)),
    expected,
  );
  const { body } = await people.call("GET", place!, author.token);
  assert.deepEqual([body.status, body.result.text.startsWith("taken")], ["done", true]);
});
