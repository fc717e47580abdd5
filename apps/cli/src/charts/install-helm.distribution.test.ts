// The commands of docs/install-helm.md render, lint and name what is there.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { platformVersion, root } from "../repository.ts";
import { schemaFindings } from "./check-profiles.ts";
import { needsOf, podsOf } from "./lints.ts";
import { type Manifest, profiles, readManifests } from "./render.ts";
import { helm, kubeconform } from "./rendered-chart.ts";

const run = promisify(execFile);

describe("docs/install-helm.md", () => {
  const docs = readFileSync(join(root, "docs/install-helm.md"), "utf8");
  const commands = [...docs.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) =>
    block!.trim().split("\n"),
  );

  test("its commands render, lint, and name what is there", async () => {
    const dockerfile = readFileSync(join(root, "Dockerfile"), "utf8");
    let install: Manifest[] = [];
    let seen = 0;
    for (const command of commands) {
      const words = command.split(" ");
      seen += 1;
      if (words[0] === "docker") {
        assert.ok(command.includes(`:${platformVersion()} `), "the images are of this version");
        assert.ok(dockerfile.includes(` AS ${words[words.indexOf("--target") + 1]}\n`), command);
      } else if (/^helm upgrade --install/.test(command)) {
        // The same words, without a cluster to say them to.
        const { stdout } = await run(helm, ["template", ...words.slice(3), "--kube-version", "1.35.0"], {
          cwd: root,
        });
        install = readManifests(stdout);
        assert.deepEqual(await schemaFindings(kubeconform, stdout), []);
      } else if (/^helm (lint|template)/.test(command)) {
        await run(helm, [...words.slice(1), "--kube-version", "1.35.0"], { cwd: root, maxBuffer: 1 << 24 });
      } else seen -= 1;
    }
    assert.equal(seen, 5);
    const database = needsOf(
      podsOf(install).find(({ manifest }) => manifest.metadata.name.includes("migrate"))!.pod,
    );
    const [, secret, key] = /create secret generic (\w+) --from-file=(\w+)=/.exec(docs)!;
    assert.ok(database.includes(`Secret ${secret}`));
    assert.equal(key, "password");
    const [, deployment, script] = /exec deploy\/([\w-]+) -- node (\S+)`/.exec(docs)!;
    assert.ok(install.some((each) => each.kind === "Deployment" && each.metadata.name === deployment));
    assert.ok(existsSync(join(root, script!)));
    assert.ok(install.some((each) => each.metadata.annotations?.["helm.sh/hook"] === "test"));
  });

  test("the profiles in its table are those that there are", () => {
    const named = [...docs.matchAll(/^\| `([\w-]+)\.yaml` \|/gm)].map(([, name]) => name);
    assert.deepEqual(named.sort(), Object.keys(profiles).sort());
  });
});
