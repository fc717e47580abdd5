// Kills every part of a running install again and again while people write, then holds each follower's feed against what was acknowledged.

import { setTimeout as pause } from "node:timers/promises";
import { createPeople, type People } from "./people.ts";

type Install = { runFile(): { api: string }; pid(name: string): number };

const killable = ["api", "workers", "relay", "postgres", "redis"] as const;

export type KillReport = {
  acknowledged: number;
  refused: number;
  kills: number;
  /** Acknowledged, but not in the follower's feed. */
  missing: string[];
  twice: string[];
  /** Pairs of one author's posts that the feed shows in another order than they were acknowledged. */
  swapped: string[];
};

export async function killWhileWriting(
  install: Install,
  options: { writes: number; kills: number; authors?: number },
): Promise<KillReport> {
  const { writes, kills, authors: authorCount = 4 } = options;
  const people = createPeople(install.runFile().api);
  const reader = await people.register("reader");
  const authors = await Promise.all(
    Array.from({ length: authorCount }, (_, n) => people.register(`author${n}`)),
  );
  for (const { handle } of authors) await people.call("PUT", `/v1/users/${handle}/follow`, reader.token);
  // Read once before, so that pushes into a warm list are tested, not only its rebuilding.
  await people.feed(reader.token);

  const acknowledged = new Map<string, string[]>(authors.map(({ handle }) => [handle, []]));
  let [done, refused, killed] = [0, 0, 0];

  async function write(author: { handle: string; token: string }) {
    while (done < writes) {
      const text = `post ${done} of @${author.handle}`;
      const answer = await people.call("POST", "/v1/posts", author.token, { text }).catch(() => undefined);
      if (answer?.status === 201) {
        acknowledged.get(author.handle)!.push(answer.body.id);
        done += 1;
      } else {
        refused += 1;
        await pause(50);
      }
    }
  }

  async function kill() {
    for (; killed < kills; killed += 1) {
      const due = ((killed + 1) * writes) / (kills + 1);
      while (done < due) await pause(10);
      await killOne(install, killable[killed % killable.length]!);
    }
  }

  await Promise.all([...authors.map(write), kill()]);
  const expected = [...acknowledged.values()].flat();
  const seen = await settledFeed(people, reader.token, expected);
  return { acknowledged: expected.length, refused, kills: killed, ...compare(acknowledged, seen) };
}

async function killOne(install: Install, name: string): Promise<void> {
  for (let left = 200; left > 0; left -= 1) {
    try {
      process.kill(install.pid(name), "SIGKILL");
      return;
    } catch {
      // It was killed a moment ago and is on its way back.
      await pause(100);
    }
  }
  throw new Error(`${name} did not come back within 20 s`);
}

/** Reads the feed until everything expected is there, or for a minute. */
async function settledFeed(people: People, token: string, expected: string[]): Promise<string[]> {
  const until = Date.now() + 60_000;
  for (;;) {
    const seen = await people.feed(token).catch(() => []);
    const there = new Set(seen);
    if (expected.every((id) => there.has(id)) || Date.now() > until) return seen;
    await pause(250);
  }
}

function compare(acknowledged: Map<string, string[]>, seen: string[]) {
  const place = new Map(seen.map((id, at) => [id, at]));
  const missing = [...acknowledged.values()].flat().filter((id) => !place.has(id));
  const twice = seen.filter((id, at) => place.get(id) !== at);
  const swapped: string[] = [];
  for (const ids of acknowledged.values()) {
    for (let at = 1; at < ids.length; at += 1) {
      // Newest first: a later post stands before an earlier one.
      if (place.get(ids[at]!)! > place.get(ids[at - 1]!)!) swapped.push(`${ids[at - 1]} ${ids[at]}`);
    }
  }
  return { missing, twice, swapped };
}
