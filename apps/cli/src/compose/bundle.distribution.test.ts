// A machine without a registry: every image comes out of one file, whole, under names that nobody could look up, and the engine has
// neither those nor, of our own images, the layers.
import assert from "node:assert/strict";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { platformVersion } from "../repository.ts";
import { type ComposeSite, makeComposeSite } from "../testing/compose-site.ts";

const nowhere = "registry.invalid";
const version = platformVersion();
const images: Record<string, string> = {
  SIGNALBOX_SERVER_IMAGE: `signalbox/server:${version}`,
  SIGNALBOX_CONSOLE_IMAGE: `signalbox/console:${version}`,
  SIGNALBOX_POSTGRES_IMAGE: "postgres:18-bookworm",
  SIGNALBOX_VALKEY_IMAGE: "valkey/valkey:8-bookworm",
  SIGNALBOX_CADDY_IMAGE: "caddy:2",
};
const own = Object.values(images).slice(0, 2);
const moved = Object.values(images).map((image) => `${nowhere}/${image}`);
type Listed = { image: string; id: string };
let listed: Listed[] = [];
let site: ComposeSite;

before(
  async () => {
    site = await makeComposeSite([version]);
    for (const [name, image] of Object.entries(images)) {
      await site.docker("tag", image, `${nowhere}/${image}`);
      const withoutTag = name.startsWith("SIGNALBOX_SERVER") || name.startsWith("SIGNALBOX_CONSOLE");
      const value = withoutTag ? image.slice(0, image.lastIndexOf(":")) : image;
      appendFileSync(join(site.folder, ".env"), `${name}=${nowhere}/${value}\n`);
    }
  },
  { timeout: 30 * 60_000 },
);
after(async () => {
  // Other tests go on with our own under their usual names.
  for (const image of own) await site?.run("docker", ["tag", `${nowhere}/${image}`, image]);
  await site?.remove();
  await site?.run("docker", ["rmi", ...moved]);
});

test("a bundle holds every image that Compose names, by what is in it", async () => {
  const file = join(site.folder, "signalbox.tar");
  await site.must("bundle", file);
  ({ images: listed } = JSON.parse(readFileSync(`${file}.json`, "utf8")) as { images: Listed[] });
  assert.deepEqual(listed.map(({ image }) => image).sort(), [...moved].sort());
  for (const { image, id } of listed)
    assert.equal(id, await site.docker("image", "inspect", "--format", "{{.Id}}", image));
  // Whole: each image's own description and all that it names lie in the one file.
  const inside = async (...words: string[]) => (await site.run("tar", words)).text;
  const members = new Set((await inside("-tf", file)).trim().split("\n"));
  const described = JSON.parse(await inside("-xOf", file, "manifest.json")) as Described[];
  assert.deepEqual(described.flatMap(({ RepoTags }) => RepoTags).sort(), [...moved].sort());
  for (const { Config, Layers } of described)
    for (const name of [Config, ...Layers]) assert.ok(members.has(name), name);
});

type Described = { Config: string; RepoTags: string[]; Layers: string[] };

test("without it nothing starts, and nobody is asked for long", async () => {
  await site.docker("rmi", ...moved, ...own);
  const { code, text } = await site.compose("up");
  assert.equal(code, 1, "a seeded fault: these names lead nowhere");
  assert.match(text, /registry\.invalid|not up/);
});

test("with it everything does", async () => {
  await site.docker("load", "-i", join(site.folder, "signalbox.tar"));
  for (const { image, id } of listed)
    assert.equal(await site.docker("image", "inspect", "--format", "{{.Id}}", image), id, "the same digest");
  await site.must("up");
  const running = await site.docker("ps", "--filter", `name=${site.project}-`, "--format", "{{.Image}}");
  for (const image of running.split("\n")) assert.ok(image.startsWith(`${nowhere}/`), image);
  await site.register("airgap");
});
