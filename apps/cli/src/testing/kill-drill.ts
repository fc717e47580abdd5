// Kills parts of a running install again and again while people post, answer, like, repost and delete; then holds what everyone
// reads against what was acknowledged: nothing lost, nothing done twice, and each person's acts in their order.

import { setTimeout as pause } from "node:timers/promises";
import { type Answer, createPeople, type People } from "./people.ts";

type Install = { runFile(): { api: string }; pid(name: string): number };

const killable = ["api", "workers", "relay", "postgres", "redis"] as const;
const acts = { post: 50, like: 22, repost: 10, reply: 10, delete: 8 } as const;
type Act = keyof typeof acts;
const lots = Object.entries(acts).flatMap(([act, share]) => Array<Act>(share).fill(act as Act));

export type KillReport = {
  /** By kind; every one of them counts. */
  acknowledged: Record<Act, number>;
  /** Answers that were none, or said that a part is away. */
  refused: number;
  kills: number;
  /** Acknowledged, but not there for who reads. */
  lost: string[];
  /** There twice, or there although it was taken back. */
  twice: string[];
  /** Not what the person's last act left, or not in the order of acts. */
  swapped: string[];
};

type Person = { handle: string; token: string };
type Post = { id: string; author: Person; replyTo?: string };

export async function killWhileWriting(
  install: Install,
  options: { writes: number; kills: number; authors?: number },
): Promise<KillReport> {
  const { writes, kills, authors: count = 4 } = options;
  const people = createPeople(install.runFile().api);
  const reader = await people.register("reader");
  const authors = await Promise.all(Array.from({ length: count }, (_, n) => people.register(`author${n}`)));
  for (const { handle } of authors) await people.call("PUT", `/v1/users/${handle}/follow`, reader.token);
  // Read once before, so that pushes into a warm list are tested, not only its rebuilding.
  await people.feed(reader.token);

  const posts = new Map<string, Post>();
  const deleted = new Set<string>();
  /** What a person's last act left: liked or not, by kind, person and post. */
  const marks = new Map<string, boolean>();
  const acknowledged: KillReport["acknowledged"] = { post: 0, like: 0, repost: 0, reply: 0, delete: 0 };
  let [done, refused, killed] = [0, 0, 0];

  const attempt = (...call: Parameters<People["call"]>): Promise<Answer | undefined> =>
    people.call(...call).catch(() => undefined);

  /** An act that comes out the same however often it is done: until there is an answer that says so. */
  async function insist(...call: Parameters<People["call"]>): Promise<Answer> {
    for (;;) {
      const answer = await attempt(...call);
      if (answer && answer.status < 500 && answer.status !== 429) return answer;
      refused += 1;
      await pause(50);
    }
  }

  async function publish(author: Person, kind: "post" | "reply", replyTo?: string): Promise<void> {
    const body = { text: `${kind} ${done} of @${author.handle}`, ...(replyTo ? { replyTo } : {}) };
    const answer = await attempt("POST", "/v1/posts", author.token, body);
    if (answer?.status === 201) {
      posts.set(answer.body.id, { id: answer.body.id, author, ...(replyTo ? { replyTo } : {}) });
      acknowledged[kind] += 1;
      done += 1;
    } else if (!answer || answer.status >= 500) {
      refused += 1;
      await pause(50);
    }
  }

  const someOf = (fits: (post: Post) => boolean): Post | undefined => {
    const recent = [...posts.values()].slice(-200).filter((post) => !deleted.has(post.id) && fits(post));
    return recent[Math.floor(Math.random() * recent.length)];
  };

  async function mark(person: Person, kind: "like" | "repost"): Promise<void> {
    const post = someOf(({ author }) => author !== person);
    if (!post) return;
    const key = `${kind} ${person.handle} ${post.id}`;
    const isMade = !marks.get(key);
    const { status } = await insist(isMade ? "PUT" : "DELETE", `/v1/posts/${post.id}/${kind}`, person.token);
    // 404: its author deleted it meanwhile.
    if (status !== 204) return;
    marks.set(key, isMade);
    acknowledged[kind] += 1;
    done += 1;
  }

  const perform: Record<Act, (person: Person) => Promise<void>> = {
    post: (person) => publish(person, "post"),
    reply: (person) => publish(person, "reply", someOf(() => true)?.id),
    like: (person) => mark(person, "like"),
    repost: (person) => mark(person, "repost"),
    async delete(person) {
      const post = someOf(({ author }) => author === person);
      if (!post) return;
      deleted.add(post.id);
      await insist("DELETE", `/v1/posts/${post.id}`, person.token);
      acknowledged.delete += 1;
      done += 1;
    },
  };

  async function live(person: Person) {
    while (done < writes) {
      await perform[lots[Math.floor(Math.random() * lots.length)]!](person);
    }
  }

  async function kill() {
    const due = Array.from({ length: kills }, () => Math.random() * writes).sort((a, b) => a - b);
    for (const at of due) {
      while (done < at) await pause(10);
      await killOne(install, killable[killed % killable.length]!);
      killed += 1;
    }
  }

  await Promise.all([...authors.map(live), kill()]);
  const expected = [...posts.values()].filter(({ id }) => !deleted.has(id));
  const world = { people, reader, authors, posts, expected, deleted, marks };
  const until = Date.now() + 90_000;
  for (;;) {
    const found = await hold(world).catch((error) => ({ lost: [String(error)], twice: [], swapped: [] }));
    if (Object.values(found).every((faults) => faults.length === 0) || Date.now() > until)
      return { acknowledged, refused, kills: killed, ...found };
    await pause(500);
  }
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

type World = {
  people: People;
  reader: Person;
  authors: Person[];
  posts: Map<string, Post>;
  expected: Post[];
  deleted: Set<string>;
  marks: Map<string, boolean>;
};

async function all(people: People, path: string, token: string) {
  const items: { [field: string]: never }[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const { status, body } = await people.call(
      "GET",
      `${path}?limit=100${cursor && `&cursor=${cursor}`}`,
      token,
    );
    if (status !== 200) throw new Error(`${path} answered ${status}`);
    items.push(...body.items);
    cursor = body.nextCursor;
  }
  return items as unknown as (Item & Told)[];
}
type Item = {
  id: string;
  author: { handle: string };
  counts: { likes: number; reposts: number; replies: number };
};
type Told = { kind: string; actor: { handle: string }; postId: string };

async function hold(world: World): Promise<Pick<KillReport, "lost" | "twice" | "swapped">> {
  const { people, reader, authors, posts, expected, deleted, marks } = world;
  const lost: string[] = [];
  const twice: string[] = [];
  const swapped: string[] = [];

  const items = await all(people, "/v1/feed", reader.token);
  const place = new Map(items.map(({ id }, at) => [id, at]));
  twice.push(...items.filter(({ id }, at) => place.get(id) !== at).map(({ id }) => `in the feed: ${id}`));
  twice.push(...items.filter(({ id }) => deleted.has(id)).map(({ id }) => `deleted, and in the feed: ${id}`));
  lost.push(...expected.filter(({ id }) => !place.has(id)).map(({ id }) => `not in the feed: ${id}`));
  for (const author of authors) {
    // Newest first: a later post stands before an earlier one.
    const own = expected.filter((post) => post.author === author && place.has(post.id));
    for (let at = 1; at < own.length; at += 1)
      if (place.get(own[at]!.id)! > place.get(own[at - 1]!.id)!)
        swapped.push(`in the feed: ${own[at - 1]!.id} ${own[at]!.id}`);
  }

  const made = [...marks].filter(([, isMade]) => isMade).map(([key]) => key);
  for (const { id, counts } of items) {
    if (!posts.has(id)) continue;
    for (const [kind, counted] of [
      ["like", counts.likes],
      ["repost", counts.reposts],
    ] as const) {
      const right = made.filter((key) => key.startsWith(kind) && key.endsWith(id)).length;
      if (counted < right) lost.push(`${kind} of ${id}: ${counted} of ${right}`);
      if (counted > right) twice.push(`${kind} of ${id}: ${counted} of ${right}`);
    }
    if (counts.replies === 0) continue;
    const replies = await all(people, `/v1/posts/${id}/replies`, reader.token);
    if (replies.length > counts.replies)
      lost.push(`replies to ${id}: ${counts.replies} of ${replies.length}`);
    if (replies.length < counts.replies)
      twice.push(`replies to ${id}: ${counts.replies} of ${replies.length}`);
  }

  // What consumers made of the same acts: of each person's likes and takings-back the last one holds.
  for (const author of authors) {
    const told = (await all(people, "/v1/notifications", author.token)).map(
      ({ kind, actor, postId }) => `${kind} ${actor.handle} ${postId}`,
    );
    const seen = new Set(told);
    if (seen.size < told.length) twice.push(`told twice: @${author.handle}`);
    const mine = (key: string) => posts.get(key.split(" ")[2]!)?.author === author;
    const isThere = (key: string) => !deleted.has(key.split(" ")[2]!);
    for (const [key, isMade] of marks) {
      if (!mine(key) || !isThere(key) || seen.has(key) === isMade) continue;
      swapped.push(`${isMade ? "not told" : "told of what was taken back"}: ${key}`);
    }
    for (const { id, author: by, replyTo } of expected)
      if (replyTo && by !== author && posts.get(replyTo)?.author === author && !deleted.has(replyTo)) {
        if (!seen.has(`reply ${by.handle} ${id}`)) lost.push(`not told of the reply ${id}`);
      }
  }
  return { lost, twice, swapped };
}
