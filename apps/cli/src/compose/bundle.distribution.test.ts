// A machine without a registry: every image comes out of one file, under names that nobody could look up.
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
const moved = Object.values(images).map((image) => `${nowhere}/${image}`);
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
  await site?.remove();
  await site?.run("docker", ["rmi", ...moved]);
});

test("a bundle holds every image that Compose names, by what is in it", async () => {
  const file = join(site.folder, "signalbox.tar");
  await site.must("bundle", file);
  const listed = JSON.parse(readFileSync(`${file}.json`, "utf8")) as {
    images: { image: string; id: string }[];
  };
  assert.deepEqual(listed.images.map(({ image }) => image).sort(), [...moved].sort());
  for (const { image, id } of listed.images)
    assert.equal(id, await site.docker("image", "inspect", "--format", "{{.Id}}", image));
});

test("without it nothing starts, and nobody is asked for long", async () => {
  await site.docker("rmi", ...moved);
  const { code, text } = await site.compose("up");
  assert.equal(code, 1, "a seeded fault: these names lead nowhere");
  assert.match(text, /registry\.invalid|not up/);
});

test("with it everything does", async () => {
  await site.docker("load", "-i", join(site.folder, "signalbox.tar"));
  await site.must("up");
  await site.register("airgap");
});
