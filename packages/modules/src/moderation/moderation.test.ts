import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createAccessVerifier } from "../auth/index.ts";
import { type ControlPlane, openPlane, operatorRouter } from "../control/index.ts";
import { ctxOf, testWorld, type World } from "../testing.ts";

let world: World;
let plane: ControlPlane;
before(async () => {
  world = await testWorld();
  plane = openPlane(world.deps, { prefix: `moderation-${process.pid}` });
});
after(async () => {
  await plane.close();
  await world.close();
});

const phrase = "a phrase long enough";
const reason = "for the test";
const refused = (code: string, words?: RegExp) => (error: { cause?: { code?: string; message?: string } }) =>
  error.cause?.code === code && (!words || words.test(error.cause.message ?? ""));
const register = (handle: string) =>
  world.guest().auth.account.register({ handle, email: `${handle}@example.test`, password: phrase });
const signIn = (login: string, password = phrase) => world.guest().auth.session.create({ login, password });
const operator = (role: "viewer" | "operator" | "admin" = "admin") =>
  operatorRouter.createCaller(ctxOf(world.deps, { kind: "operator", id: "ann", name: "Ann", role }));
async function holder({ accessToken }: { accessToken: string }) {
  return world.as(await createAccessVerifier(world.deps)(accessToken));
}

test("a suspended account: its tokens are refused, signing in says so to its owner alone, and it can be restored", async () => {
  const made = await register("amy_bad");
  const state = await operator().users.suspend({ user: "@amy_bad", reason: "spam" });
  assert.equal(state.suspendedFor, "spam");
  await assert.rejects(createAccessVerifier(world.deps)(made.accessToken), { code: "unauthorized" });
  await assert.rejects(
    world.guest().auth.session.refresh({ refreshToken: made.refreshToken }),
    refused("unauthorized"),
  );
  await assert.rejects(signIn("amy_bad"), refused("forbidden", /suspended: spam/));
  await assert.rejects(signIn("amy_bad", "wrong"), refused("unauthorized", /login and password/));
  await operator().users.restore({ user: made.user.id, reason });
  const me = await holder(await signIn("amy_bad"));
  const kinds = (await me.auth.activity.list({})).items.map(({ kind }) => kind);
  assert.ok(kinds.includes("account.suspended") && kinds.includes("account.restored"));
  const log = await operator().audit.list({ key: made.user.id });
  assert.deepEqual(
    log.items.map(({ kind }) => kind),
    ["user.restored", "user.suspended"],
  );
});

test("a role is in the token, and a change of it holds at once", async () => {
  const before = await register("bob_mod");
  await operator().users.role({ user: "bob_mod", role: "moderator", reason });
  await assert.rejects(createAccessVerifier(world.deps)(before.accessToken), { code: "unauthorized" });
  const session = await signIn("bob_mod");
  const moderator = await holder(session);
  await moderator.moderation.report.list({});
  await register("cat_low");
  await moderator.moderation.user.suspend({ handle: "cat_low", reason });
  await assert.rejects(signIn("cat_low"), refused("forbidden"));
  await moderator.moderation.user.restore({ handle: "cat_low", reason });
  await assert.rejects(
    moderator.moderation.user.suspend({ handle: "bob_mod", reason }),
    refused("forbidden"),
  );
  const refreshed = await world.guest().auth.session.refresh({ refreshToken: session.refreshToken });
  await (await holder(refreshed)).moderation.report.list({});
  await operator().users.role({ user: "bob_mod", role: "user", reason });
  await assert.rejects(createAccessVerifier(world.deps)(refreshed.accessToken), { code: "unauthorized" });
  const demoted = await holder(await signIn("bob_mod"));
  await assert.rejects(demoted.moderation.report.list({}), refused("forbidden"));
});

test("a report waits in the queue until one of two decides about it", async () => {
  const me = await world.user("dan_reports");
  const subject = { kind: "user" as const, id: (await register("eve_reported")).user.id };
  const { id } = await me.moderation.report.create({ subject, reason: "rude" });
  const open = await operator("viewer").reports.list({});
  assert.ok(open.items.some((report) => report.id === id && report.reason === "rude"));
  await assert.rejects(
    operator("viewer").reports.resolve({ id, resolution: "upheld", reason }),
    refused("forbidden"),
  );
  const done = await Promise.allSettled([
    operator().reports.resolve({ id, resolution: "upheld", reason }),
    operator().reports.resolve({ id, resolution: "dismissed", reason }),
  ]);
  assert.equal(done.filter(({ status }) => status === "fulfilled").length, 1);
  assert.ok(!(await operator().reports.list({})).items.some((report) => report.id === id));
  assert.ok((await operator().reports.list({ state: "resolved" })).items.some((report) => report.id === id));
});

test("operators find users by id, handle and address, list them, end their sessions and rotate keys", async () => {
  const { user, refreshToken } = await register("fay_found");
  for (const q of [user.id, "@FAY_found", "fay_found@example.test"])
    assert.deepEqual(
      (await operator().users.list({ q })).items.map(({ id }) => id),
      [user.id],
    );
  assert.deepEqual((await operator().users.list({ q: "nobody_at_all" })).items, []);
  assert.equal((await operator().users.list({ limit: 1 })).items[0]!.id, user.id);
  await assert.rejects(operator("viewer").users.endSessions({ user: user.id, reason }), refused("forbidden"));
  await operator().users.endSessions({ user: user.id, reason });
  await assert.rejects(world.guest().auth.session.refresh({ refreshToken }), refused("unauthorized"));
  const { kid } = await operator().keys.rotate({ reason });
  const states = (await operator().keys.list({})).items;
  assert.equal(states.find((key) => key.kid === kid)?.state, "next");
  await world.settle();
  assert.ok((await operator().mailbox.list({})).items.some(({ to }) => to === "fay_found@example.test"));
  assert.ok((await operator().activity.list({ user: "fay_found" })).items.length > 1);
});

test("all reports of one post are one case: an operator sees what was written and by whom, and one act decides them", async () => {
  const [author, first, second] = await Promise.all(
    ["gil_wrote", "hal_read", "ida_read"].map((name) => world.user(name)),
  );
  const post = await author!.feed.post.create({ text: "what should not be said" });
  const subject = { kind: "post" as const, id: post.id };
  await first!.moderation.report.create({ subject, reason: "rude" });
  await second!.moderation.report.create({ subject, reason: "hurtful" });
  await second!.moderation.report.create({ subject, reason: "still there" });

  const caseOf = async (state: "open" | "decided") =>
    (await operator("viewer").cases.list({ state })).items.find((it) => it.subject.id === post.id);
  const open = await caseOf("open");
  assert.equal(open?.reports, 3);
  assert.equal(open.reporters, 2);
  assert.equal(open.post?.text, "what should not be said");
  assert.equal(open.owner?.handle, "gil_wrote");
  assert.deepEqual(open.said.map((it) => it.reason).sort(), ["hurtful", "rude", "still there"]);

  await assert.rejects(operator("viewer").cases.decide({ subject, reason }), refused("forbidden"));
  const done = await Promise.allSettled([
    operator().cases.decide({ subject, removePost: true, suspend: true, reason: "hateful" }),
    operator().cases.decide({ subject, removePost: true, suspend: true, reason: "hateful" }),
  ]);
  assert.deepEqual(done.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.equal(await caseOf("open"), undefined);
  const decided = await caseOf("decided");
  assert.deepEqual(
    decided?.decisions.map((it) => [it.resolution, it.reason, it.by]),
    [["upheld", "hateful", "operator Ann"]],
  );
  await assert.rejects(world.guest().feed.post.read({ id: post.id }), refused("not_found"));
  assert.equal((await operator().users.read({ user: "gil_wrote" })).suspendedFor, "hateful");
});

test("a dismissed case touches nobody", async () => {
  const me = await world.user("jan_reports");
  const { user } = await register("kay_fine");
  const subject = { kind: "user" as const, id: user.id };
  await me.moderation.report.create({ subject, reason: "did not greet" });
  const decided = await operator().cases.decide({ subject, reason });
  assert.deepEqual(decided, { resolution: "dismissed", reports: 1, ownerId: user.id });
  assert.equal((await operator().users.read({ user: user.id })).suspendedAt, null);
});

test("operators find users by how a handle or name begins, and see where they are signed in", async () => {
  const { user } = await register("lia_found");
  await register("lia_two");
  const found = (await operator().users.list({ q: "@lia_" })).items.map(({ handle }) => handle);
  assert.deepEqual(found, ["lia_found", "lia_two"]);
  await signIn("lia_found");
  assert.equal((await operator("viewer").sessions.list({ user: user.id })).items.length, 2);
});
