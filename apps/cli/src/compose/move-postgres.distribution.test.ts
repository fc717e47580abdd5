// A database moves to another major version of Postgres with everything that is in it, or stays where it was.
import assert from "node:assert/strict";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { platformVersion } from "../repository.ts";
import { type ComposeSite, makeComposeSite } from "../testing/compose-site.ts";

let site: ComposeSite;
let token = "";
let post = "";

before(
  async () => {
    site = await makeComposeSite([platformVersion()], { majors: true });
    appendFileSync(join(site.folder, ".env"), "SIGNALBOX_POSTGRES_IMAGE=postgres:17-bookworm\n");
    await site.must("up");
    token = await site.register("mover");
    post = (await site.ask("/v1/posts", { text: "written to Postgres 17" }, token)).body.id!;
  },
  { timeout: 30 * 60_000 },
);
after(() => site?.remove());

const textOf = async (id: string) => (await site.ask(`/v1/posts/${id}`, undefined, token)).body.text;
const images = () => site.docker("ps", "--filter", `name=${site.project}-postgres`, "--format", "{{.Image}}");
const versions = async () =>
  JSON.parse(
    (await site.must("run", "--rm", "--no-deps", "-T", "restore", "look")).trim().split("\n").at(-1)!,
  ).versions as string[];

test("a move backwards, to nothing, or to no version is refused", async () => {
  const refused = async (words: string[], what: RegExp) => {
    const { code, text } = await site.compose("move-postgres", ...words);
    assert.equal(code, 1, text);
    assert.match(text, what);
  };
  await refused([], /is not said/);
  await refused(["postgres:17-bookworm"], /there is no move to/);
  await refused(["postgres:latest"], /there is no move to/);
  await refused(["postgres:16-bookworm"], /there is no move to/);
  await refused(["signalbox-nowhere/postgres:99"], /There is no image/);
  assert.equal(await images(), "postgres:17-bookworm");
});

test("a move that breaks off leaves everything as it was", async () => {
  await site.docker("tag", "valkey/valkey:8-bookworm", "signalbox-broken/postgres:99");
  const { code, text } = await site.compose("move-postgres", "signalbox-broken/postgres:99");
  await site.docker("rmi", "signalbox-broken/postgres:99");
  assert.equal(code, 1);
  assert.match(text, /starting Postgres 99 failed|does not get ready/);
  await site.must("up");
  assert.equal(await images(), "postgres:17-bookworm");
  assert.deepEqual(await versions(), ["17"]);
  assert.equal(await textOf(post), "written to Postgres 17");
});

test("17 becomes 18 with every row, and goes on from there", async () => {
  const text = await site.must("move-postgres", "postgres:18-bookworm");
  assert.match(text, /rows in \d+ tables are the same/);
  assert.equal(await images(), "postgres:18-bookworm");
  assert.deepEqual((await versions()).sort(), ["17", "18"]);
  assert.match(
    readFileSync(join(site.folder, ".env"), "utf8"),
    /^SIGNALBOX_POSTGRES_IMAGE=postgres:18-bookworm$/m,
  );
  assert.equal(await textOf(post), "written to Postgres 17");
  const more = await site.ask("/v1/posts", { text: "written to Postgres 18" }, token);
  assert.equal(more.status, 201, "the session is still one");
  await site.doctor();
  await site.must("run", "--rm", "-T", "cli", "audit", "verify");
  await site.must("backup");
  assert.match(await site.must("restore", "--drill"), /as they were taken; keys open/);
});

test("a row that did not come along is seen", async () => {
  // The old database, which nobody has written to since, against the new one, which somebody has.
  const old = `${site.project}-old`;
  const words = ["run", "--detach", "--no-deps", "--name", old, "postgres"];
  const was = site.env.SIGNALBOX_POSTGRES_IMAGE;
  site.env.SIGNALBOX_POSTGRES_IMAGE = "postgres:17-bookworm";
  await site.must(...words);
  if (was === undefined) delete site.env.SIGNALBOX_POSTGRES_IMAGE;
  try {
    const asked = [
      "run",
      "--rm",
      "--no-deps",
      "-T",
      "--entrypoint",
      "node",
      "cli",
      "apps/cli/src/backup/contained.ts",
    ];
    let said = "";
    for (let left = 30; left > 0 && !said; left -= 1) {
      const { code, text } = await site.compose(...asked, "compare", old);
      if (code === 0) said = text;
    }
    assert.match(said, /public\.posts has \d+ rows instead of \d+/, "a seeded fault");
  } finally {
    await site.docker("rm", "--force", old);
  }
});
