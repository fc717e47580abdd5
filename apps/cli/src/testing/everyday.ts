// Everyday use of an install without a pause: profiles are read, sessions refreshed, people sign in, write and follow. What each
// call was answered is kept, so that a test can say what went on while a part was away.

import { setTimeout as pause } from "node:timers/promises";
import { type Answer, createPeople } from "./people.ts";

export const kinds = ["read", "refresh", "login", "write", "follow"] as const;
export type Kind = (typeof kinds)[number];

export type Seen = {
  kind: Kind;
  /** Of performance.now(), when it was sent. */
  at: number;
  ms: number;
  /** 0: no answer at all. */
  status: number;
  code: string | undefined;
  retryAfter: string | null;
  isStale: boolean;
};

export type Everyday = {
  seen: Seen[];
  /** Texts of posts by the key they were sent under, once one of their sendings was answered with success. */
  acknowledged: Map<string, string>;
  stop(): Promise<void>;
};

const wasDone = ({ status, body }: Answer) => status === 409 && /took effect/.test(body.detail);
const password = "a long enough phrase";
const profileCount = 10;
const pauseMs = { read: 5, refresh: 20, login: 150, write: 20, follow: 50 } as const;

export async function startEverydayUse(api: string): Promise<Everyday> {
  const people = createPeople(api);
  const seen: Seen[] = [];
  const acknowledged = new Map<string, string>();
  const handles: string[] = [];
  for (let n = 0; n < profileCount; n += 1) handles.push((await people.register("seen")).handle);
  for (const handle of handles) await people.call("GET", `/v1/users/${handle}`);
  const writer = await people.register("writer");
  const { handle: followed } = await people.register("followed");
  const signIn = () => people.call("POST", "/v1/auth/login", undefined, { login: handles[0], password });
  let { refreshToken } = (await signIn()).body;
  let isGoing = true;
  let count = 0;
  let follows = 0;
  type Write = { key: string; text: string };
  let unanswered: Write | undefined;
  const later: Write[] = [];

  // As a good client does: the same key until there is an answer that says more than "not now".
  async function send({ key, text }: Write): Promise<Answer> {
    const answer = await people.call("POST", "/v1/posts", writer.token, { text }, { "idempotency-key": key });
    if (answer.status === 201 || wasDone(answer)) acknowledged.set(key, text);
    return answer;
  }

  const calls: Record<Kind, () => Promise<Answer>> = {
    read: () => people.call("GET", `/v1/users/${handles[count % handles.length]}`),
    login: signIn,
    async refresh() {
      const answer = await people.call("POST", "/v1/auth/refresh", undefined, { refreshToken });
      if (answer.status === 200) refreshToken = answer.body.refreshToken;
      return answer;
    },
    // Now this way and now the other, so that each changes something; and of nobody who is read, because it changes his profile too.
    follow: () => {
      follows += 1;
      return people.call(follows % 2 ? "PUT" : "DELETE", `/v1/users/${followed}/follow`, writer.token);
    },
    async write() {
      unanswered ??= { key: `key-${count}`, text: `everyday ${count}` };
      const one = unanswered;
      const answer = await send(one);
      if (answer.status < 500) unanswered = undefined;
      // Nobody knows yet what became of an earlier sending: asked again when its time is over.
      if (answer.status === 409 && !wasDone(answer)) later.push(one);
      return answer;
    },
  };

  async function repeat(kind: Kind) {
    while (isGoing) {
      count += 1;
      const at = performance.now();
      const answer = await calls[kind]().catch(() => undefined);
      seen.push({
        kind,
        at,
        ms: performance.now() - at,
        status: answer?.status ?? 0,
        code: answer?.body?.code,
        retryAfter: answer?.headers.get("retry-after") ?? null,
        isStale: answer?.headers.get("cache-status")?.includes("ttl=-") ?? false,
      });
      await pause(pauseMs[kind]);
    }
  }
  const running = [...kinds, "read" as const, "read" as const].map(repeat);
  return {
    seen,
    acknowledged,
    async stop() {
      isGoing = false;
      await Promise.all(running);
      for (
        const end = performance.now() + 40_000;
        later.length > 0 && performance.now() < end;
        await pause(500)
      )
        for (const one of later.splice(0)) {
          const answer = await send(one);
          if (answer.status !== 201 && !wasDone(answer)) later.push(one);
        }
    },
  };
}
