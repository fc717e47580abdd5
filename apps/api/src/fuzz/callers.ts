// Who calls: people, of whom one in four is a moderator, a program, and two operators.

import type { Pool } from "./pool.ts";
import { type Random, seeded } from "./random.ts";
import { type Caller, somewhere } from "./requests.ts";
import type { Send } from "./send.ts";
import type { RunningApi } from "./server.ts";

const password = "a phrase of my own";
const people = 8;

export async function openCallers(api: RunningApi, send: Send, pool: Pool, seed: number) {
  const random: Random = seeded(seed);
  const script: Caller = { name: "script", headers: { authorization: `Bearer ${api.operatorToken}` } };
  const operators = [script, { name: "second", headers: { cookie: api.operatorCookie } }];
  let made = 0;

  async function post(base: string, method: string, path: string, body: object, caller?: Caller) {
    const headers = {
      "content-type": "application/json",
      "x-forwarded-for": somewhere(random),
      ...caller?.headers,
    };
    const answer = await send(base, { method, path, headers, body: Buffer.from(JSON.stringify(body)) });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return JSON.parse(answer.body);
  }
  const operate = (method: string, path: string, body: object) =>
    post(api.operator, method, `/operator/v1${path}`, { ...body, reason: "fuzz" }, script);

  async function join(at: number): Promise<Caller> {
    const handle = `fuzz_${made++}`;
    const form = { handle, email: `${handle}@example.test`, password };
    let { user, accessToken } = await post(api.public, "POST", "/v1/auth/register", form);
    if (at % 4 === 0) {
      await operate("PUT", `/users/${user.id}/role`, { role: "moderator" });
      ({ accessToken } = await post(api.public, "POST", "/v1/auth/login", { login: handle, password }));
    }
    pool.learn(user, "users", handle);
    return { name: handle, headers: { authorization: `Bearer ${accessToken}` } };
  }

  const users = await Promise.all(Array.from({ length: people }, (_, at) => join(at)));
  pool.set(
    "login",
    users.map(({ name }) => name),
  );
  for (const name of ["password", "current"])
    pool.set(name, [password, password, "another phrase of my own"]);
  const { key } = await operate("POST", "/applications", { name: "fuzz", scopes: ["*"] });
  pool.set("application", [key]);
  pool.set("token", [api.operatorToken]);

  async function replace(at: number): Promise<void> {
    const { headers } = users[at]!;
    const me = await send(api.public, { method: "GET", path: "/v1/me", headers, body: undefined });
    // Where what the fuzzer did keeps people from joining, the one who is out stays until the next time.
    if (me.status === 401) users[at] = await join(at).catch(() => users[at]!);
  }
  const joining = new Map<number, Promise<void>>();

  return {
    operators,
    users: users as readonly Caller[],
    /** Somebody else takes the place of a user whose session has ended. */
    async comeBack(name: string | undefined): Promise<void> {
      const at = users.findIndex((user) => user.name === name);
      if (at < 0) return;
      const coming = joining.get(at) ?? replace(at).finally(() => joining.delete(at));
      joining.set(at, coming);
      await coming;
    },
    /** What an operator took out of use is in use again. */
    async bringBack(): Promise<void> {
      const { headers } = script;
      const path = "/operator/v1/dependencies";
      const { status, body } = await send(api.operator, { method: "GET", path, headers, body: undefined });
      // Whether it is in use again shows in the answer to the next try.
      for (const { name, force } of status === 200 ? JSON.parse(body).items : [])
        if (force !== "auto")
          await operate("PUT", `/dependencies/${name}`, { force: "auto" }).catch(() => {});
    },
  };
}
