// From the moment an author sends a post to the moment a follower's feed shows it, through every floor of a whole install.

import { setTimeout as pause } from "node:timers/promises";
import { startInstallForTest } from "../apps/cli/src/testing/install.ts";
import { createPeople } from "../apps/cli/src/testing/people.ts";
import { figure, progress, report } from "./harness/report.ts";

const postsPerSecond = 50;
const seconds = 20;
const authors = 10;

progress("starting an install of its own");
const install = await startInstallForTest({ portBase: 23_000 });
try {
  const people = createPeople(install.runFile().api);
  const reader = await people.register("reader");
  const writers = await Promise.all(Array.from({ length: authors }, (_, n) => people.register(`writer${n}`)));
  for (const { handle } of writers) await people.call("PUT", `/v1/users/${handle}/follow`, reader.token);
  await people.feed(reader.token);
  await pause(1_000);

  const sentAt = new Map<string, number>();
  const seenAt = new Map<string, number>();
  let writing = true;

  async function write() {
    const began = performance.now();
    const under: Promise<void>[] = [];
    for (let n = 0; n < postsPerSecond * seconds; n += 1) {
      await pause(Math.max(0, began + (n * 1_000) / postsPerSecond - performance.now()));
      const at = performance.now();
      const { token } = writers[n % authors]!;
      under.push(
        people.call("POST", "/v1/posts", token, { text: `post ${n}` }).then(({ status, body }) => {
          if (status !== 201) throw new Error(`a post was answered ${status}: ${JSON.stringify(body)}`);
          sentAt.set(body.id, at);
        }),
      );
    }
    await Promise.all(under);
    writing = false;
  }

  async function watch() {
    for (let left = 3_000; writing || (seenAt.size < sentAt.size && left > 0); left -= writing ? 0 : 10) {
      const { status, body } = await people.call("GET", "/v1/feed?limit=50", reader.token);
      const now = performance.now();
      if (status !== 200) throw new Error(`the feed was answered ${status}`);
      for (const { id } of body.items) if (!seenAt.has(id)) seenAt.set(id, now);
      await pause(5);
    }
  }

  progress(`${postsPerSecond} posts a second for ${seconds} s, a follower looks every few milliseconds`);
  await Promise.all([write(), watch()]);

  const took = [...sentAt]
    .map(([id, at]) => (seenAt.get(id) ?? Number.POSITIVE_INFINITY) - at)
    .sort((a, b) => a - b);
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))]!;
  report("visibility", [
    figure("sent to visible, p50", at(0.5), { unit: "ms", bar: 50, better: "lower" }),
    figure("sent to visible, p99", at(0.99), { unit: "ms", bar: 250, better: "lower" }),
    figure("posts that never showed", sentAt.size - seenAt.size, { unit: "posts", bar: 0, better: "lower" }),
  ]);
} finally {
  await install.stop();
}
