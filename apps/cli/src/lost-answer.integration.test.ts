// The api is killed with kill -9 between an effect and its answer, and before the effect: a call that is sent again under its
// Idempotency-Key has one effect all the same.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { eventually, freePortBase } from "./testing/harness.ts";
import { startInstallForTest, type TestInstall } from "./testing/install.ts";
import { createPeople, type People } from "./testing/people.ts";

let install: TestInstall;
let sql: postgres.Sql;
let people: People;
let ann: { handle: string; token: string };

before(async () => {
  install = await startInstallForTest({ portBase: await freePortBase() });
  const run = install.runFile();
  sql = postgres(run.postgres, { max: 2, onnotice: () => {} });
  people = createPeople(run.api);
  ann = await people.register("ann");
});
after(async () => {
  await sql?.end();
  await install?.stop();
});

const post = (text: string) =>
  people.call(
    "POST",
    "/v1/posts",
    ann.token,
    { text },
    { "idempotency-key": `key of ${text}`.replaceAll(" ", "-") },
  );
const effects = async (text: string) =>
  (await sql<{ count: number }[]>`select count(*)::int as count from posts where text = ${text}`)[0]!.count;

/** Postgres stops at the step, so that the api dies exactly there and not somewhere near. */
async function killAt(step: "effect_at" | "answer", text: string): Promise<void> {
  await sql.unsafe(`
    create function stop_here() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$;
    create trigger stop_here before update on idempotency_keys for each row
      when (old.${step} is null and new.${step} is not null) execute function stop_here()`);
  const sent = post(text).then(
    ({ status }) => `answered ${status}`,
    () => "no answer",
  );
  const stopped = () => sql<{ pid: number }[]>`
    select pid from pg_stat_activity where query like '%update idempotency_keys%' and wait_event = 'PgSleep'`;
  await eventually(async () => (await stopped()).length === 1, `the call stops at ${step}`, 10_000);
  const pid = install.pid("api");
  process.kill(pid, "SIGKILL");
  // What the dead process had asked for ends with its connection; Postgres would notice only after the sleep.
  for (const one of await stopped()) await sql`select pg_terminate_backend(${one.pid})`;
  assert.equal(await sent, "no answer");
  await sql.unsafe("drop trigger stop_here on idempotency_keys; drop function stop_here");
  await eventually(async () => isAnother(pid), "the api is started again", 20_000);
  await eventually(
    async () => (await fetch(`${install.runFile().api}/readyz`).catch(() => undefined))?.ok === true,
    "the api is ready",
    20_000,
  );
}

/** The supervisor has started another one in its place. */
const isAnother = (dead: number) =>
  install.runFile().processes.some(({ name, pid }) => name === "api" && pid !== dead);

/** As if the thirty seconds of its lease had gone by. */
const endLeases = () => sql`update idempotency_keys set lease_until = now() where lease_until > now()`;

test("killed between the effect and its answer: sent again, it does not take effect again, and says so", async () => {
  const text = "killed after the effect";
  await killAt("answer", text);
  assert.equal(await effects(text), 1);
  const early = await post(text);
  assert.deepEqual([early.status, early.body.code], [409, "conflict"]);
  // Until its lease ends, it may be running for all that anyone can know.
  assert.match(early.body.detail, /still running|took effect/);
  await endLeases();
  const late = await post(text);
  assert.deepEqual([late.status, late.body.code], [409, "conflict"]);
  assert.match(late.body.detail, /took effect/);
  assert.equal(await effects(text), 1);
});

test("killed before the effect: sent again, it takes effect, and once", async () => {
  const text = "killed before the effect";
  await killAt("effect_at", text);
  assert.equal(await effects(text), 0);
  assert.equal((await post(text)).status, 409);
  await endLeases();
  const [first, second] = [await post(text), await post(text)];
  assert.deepEqual([first.status, second.status], [201, 201]);
  assert.equal(second.body.id, first.body.id);
  assert.equal(await effects(text), 1);
});

test("killed again and again at any moment: each call has one effect, and is answered in the end", async () => {
  const texts = Array.from({ length: 12 }, (_, n) => `killed at random ${n}`);
  for (const [n, text] of texts.entries()) {
    const sent = post(text).catch(() => undefined);
    if (n % 3 === 0) {
      await pause(Math.random() * 12);
      const pid = install.pid("api");
      process.kill(pid, "SIGKILL");
      await sent;
      await eventually(async () => isAnother(pid), "the api is started again", 20_000);
    }
    let answered = (await sent)?.status === 201;
    await eventually(
      async () => {
        if (answered) return true;
        await endLeases();
        const answer = await post(text).catch(() => undefined);
        answered = answer?.status === 201 || /took effect/.test(answer?.body?.detail ?? "");
        return answered;
      },
      `${text} is answered`,
      20_000,
    );
    assert.equal(await effects(text), 1, text);
  }
});
