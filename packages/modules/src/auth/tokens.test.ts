import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { connectDatabase } from "@signalbox/db";
import { testWorld, type World } from "../testing.ts";
import { badToken, badTokens, type OwnToken, tokenLike } from "./bad-tokens.ts";
import { leadMs, listKeys, rotateKeys, signingKeys } from "./keys.ts";
import { accessSeconds, createAccessVerifier, signAccess } from "./tokens.ts";

let world: World;
let whose: OwnToken;
before(async () => {
  world = await testWorld();
  const { refreshToken } = await world.guest().auth.account.register({
    handle: "owner",
    email: "t@example.test",
    password: "a phrase long enough",
  });
  whose = { deps: world.deps, sub, sid, refreshToken };
});
after(() => world.close());

const sub = randomUUID();
const sid = randomUUID();
for (const name of Object.keys(badTokens))
  test(`refused as an access token: ${name}`, async () => {
    const verify = createAccessVerifier(world.deps);
    await assert.rejects(verify(await badToken(name, whose)), { code: "unauthorized" });
  });

test("what we sign is taken, with its role", async () => {
  const verify = createAccessVerifier(world.deps);
  assert.deepEqual(await verify(await tokenLike(whose)), { kind: "user", id: sub, sessionId: sid });
  const actor = await verify(await signAccess(world.deps, sub, sid, "moderator"));
  assert.deepEqual(actor, { kind: "user", id: sub, sessionId: sid, role: "moderator" });
});

test("keys rotate without logging anyone out: published first, used later, dropped when the last token has ended", async () => {
  let nowMs = Date.now();
  const deps = { ...world.deps, now: () => new Date(nowMs) };
  const verify = createAccessVerifier(deps);
  const old = await signingKeys(deps);
  const { kid } = await rotateKeys(deps, { immediately: false });
  const next = await signingKeys(deps);
  assert.equal(next.current.kid, old.current.kid);
  assert.ok(next.published.keys.some((key) => key.kid === kid));
  await assert.rejects(rotateKeys(deps, { immediately: false }), { code: "conflict" });
  nowMs += leadMs - 1_000;
  const lastOfOld = await signAccess(deps, sub, sid);
  nowMs += 2_000;
  assert.equal((await signingKeys(deps)).current.kid, kid);
  await verify(lastOfOld);
  await createAccessVerifier(deps)(lastOfOld);
  await verify(await signAccess(deps, sub, sid));
  nowMs += (accessSeconds - 10) * 1_000;
  await createAccessVerifier(deps)(lastOfOld);
  nowMs += 120_000;
  assert.ok(!(await signingKeys(deps)).verifiers.has(old.current.kid));
  assert.deepEqual(
    (await listKeys(deps)).map(({ state }) => state),
    ["retired", "signing"],
  );
});

test("another instance reads a key that it does not know when the first token of it comes, and not for every stranger's", async () => {
  const [place] = await world.deps.sql`select current_database() as name`;
  const url = new URL(process.env.TEST_DATABASE_URL!);
  url.pathname = `/${place!.name}`;
  const elsewhere = connectDatabase(url.href, { name: "elsewhere", poolSize: 2 });
  try {
    const other = { ...world.deps, db: elsewhere.db };
    const verify = createAccessVerifier(other);
    await verify(await signAccess(world.deps, sub, sid));
    await rotateKeys(world.deps, { immediately: true });
    await verify(await signAccess(world.deps, sub, sid));
    let asked = 0;
    const counting = new Proxy(elsewhere.db, {
      get(target, name) {
        if (name === "select") asked += 1;
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const counted = createAccessVerifier({ ...other, db: counting });
    await signingKeys({ ...other, db: counting });
    asked = 0;
    for (let n = 0; n < 50; n += 1)
      await assert.rejects(counted(await tokenLike(whose, { header: { kid: randomUUID() } })), {
        code: "unauthorized",
      });
    assert.ok(asked <= 2, `${asked} look-ups for 50 unknown keys`);
  } finally {
    await elsewhere.close();
  }
});

test("a stolen key is refused at once, and refreshing goes on", async () => {
  const guest = world.guest();
  const made = await guest.auth.account.register({
    handle: "ola_stolen",
    email: "ola@example.test",
    password: "a phrase long enough",
  });
  const verify = createAccessVerifier(world.deps);
  await verify(made.accessToken);
  await rotateKeys(world.deps, { immediately: true });
  await assert.rejects(verify(made.accessToken), { code: "unauthorized" });
  const { accessToken } = await guest.auth.session.refresh({ refreshToken: made.refreshToken });
  await verify(accessToken);
});
