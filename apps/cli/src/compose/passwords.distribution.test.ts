// Any password works: of all printable characters, in any order, for Postgres and Valkey as Compose starts them, and for pods that
// get them by the Secrets that the chart names.
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { podsOf } from "../charts/lints.ts";
import { type Secrets, type StartedPod, startPod } from "../charts/pod-stand-in.ts";
import { profiles, render } from "../charts/render.ts";
import { requireTool } from "../charts/tools.ts";
import { platformVersion } from "../repository.ts";
import { type ComposeSite, makeComposeSite } from "../testing/compose-site.ts";
import { eventually } from "../testing/harness.ts";

const printable = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at));

/** The same order for the same seed, so that a failure can be had again. */
function shuffled(seed: number): string {
  const rest = [...printable];
  let state = seed;
  let made = "";
  while (rest.length) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    made += rest.splice(state % rest.length, 1)[0];
  }
  return made;
}

let site: ComposeSite;
let helm = "";
const pods: StartedPod[] = [];

before(
  async () => {
    helm = await requireTool("helm", (text) => console.error(text));
    site = await makeComposeSite([platformVersion()]);
  },
  { timeout: 30 * 60_000 },
);
after(async () => {
  for (const pod of pods) pod.kill();
  await Promise.all(pods.map(({ exited }) => exited));
  await site?.remove();
});

function give(name: string, text: string): void {
  const path = join(site.folder, "secrets", name);
  chmodSync(path, 0o644);
  writeFileSync(path, text);
}

for (const [what, database, cache] of [
  ["every printable character in order", printable.join(""), printable.toReversed().join("")],
  [
    "quotes, signs of shells and of addresses at both ends",
    `'"\\$\`$(id)${printable.join("")}%40@:/?#&`,
    `"\\'${"$"}{HOME}$$%s\\n${shuffled(7)} `,
  ],
] as const)
  test(`Compose: ${what}`, async () => {
    await site.must("down", "--volumes", "--timeout", "5");
    give("postgres_password", database);
    give("redis_password", cache);
    await site.must("up");
    await site.register(`any_${database.length}`);
    await site.doctor();
    // The replication protocol has a client of its own.
    assert.match(await site.must("run", "--rm", "-T", "cli", "backup"), /backup-/);
  });

const addressOf = async (service: string) =>
  site.docker(
    ...["inspect", "--format", `{{(index .NetworkSettings.Networks "${site.project}_back").IPAddress}}`],
    (await site.must("ps", "--quiet", service)).trim(),
  );

async function changeStores(database: string, cache: string, was: string): Promise<void> {
  const script = `
    const { default: postgres } = await import("postgres");
    const sql = postgres({ host: "postgres", user: "signalbox", database: "signalbox", max: 1,
      password: (await import("node:fs")).readFileSync("/run/secrets/postgres_password", "utf8") });
    await sql.unsafe("alter role signalbox password '" + process.argv[1].replaceAll("'", "''") + "'");
    await sql.end();
    const { default: Redis } = await import("ioredis");
    const redis = new Redis({ host: "valkey", password: process.argv[3] });
    await redis.config("SET", "requirepass", process.argv[2]);
    redis.disconnect();`;
  const words = [
    "run",
    "--rm",
    "--no-deps",
    "-T",
    "--workdir",
    "/app/packages/db",
    "--entrypoint",
    "node",
    "cli",
  ];
  const argv = ["--input-type=module", "-e", script, "--", database, cache, was];
  await site.must(...words, ...argv);
}

test("chart: pods that read them from Secrets become ready, whatever is in them, and one that is wrong does not", async (context: TestContext) => {
  const [postgres, valkey] = [await addressOf("postgres"), await addressOf("valkey")];
  const manifests = await render(helm, {
    values: [profiles.laptop!],
    set: {
      "database.host": "",
      "database.url": `postgres://signalbox@${postgres}:5432/signalbox`,
      "database.password.existingSecret": "stores",
      "database.password.key": "database",
      "redis.host": "",
      "redis.url": `redis://${valkey}:6379`,
      "redis.password.existingSecret": "stores",
      "redis.password.key": "cache",
      "secrets.master.existingSecret": "own",
      "secrets.operatorToken.existingSecret": "own",
    },
  });
  const owner = podsOf(manifests).find(
    ({ manifest }) => manifest.metadata.name === "demo-signalbox-workers",
  )!;
  const own = {
    secret: "a master secret of a test, long enough",
    "operator-token": "sbo_a-token-of-a-test-long-enough",
  };
  let at = 0;
  const start = (stores: Record<string, string>) => {
    at += 1;
    const secrets: Secrets = { stores, own };
    const site_ = {
      folder: join(site.folder, `pod-${at}`),
      address: `127.78.${process.pid % 250}.${at}`,
      secrets,
      names: {},
    };
    const pod = startPod(owner, site_);
    pods.push(pod);
    return pod;
  };
  const isReady = async (pod: StartedPod) => (await pod.ask("readinessProbe"))?.ok === true;

  let was = `"\\'${"$"}{HOME}$$%s\\n${shuffled(7)} `;
  for (const seed of [11, 12, 13]) {
    const [database, cache] = [shuffled(seed), shuffled(seed + 100)];
    await changeStores(database, cache, was);
    give("postgres_password", database);
    was = cache;
    const pod = start({ database, cache });
    await eventually(() => isReady(pod), `ready with ${database}\n${pod.output().slice(-500)}`, 60_000);
    assert.equal(await pod.end(), 0);
    context.diagnostic(`ready with seed ${seed}`);
  }
  const wrong = start({ database: shuffled(14), cache: was });
  await Promise.race([
    wrong.exited,
    eventually(async () => (await wrong.ask("livenessProbe")) !== undefined, "it lives", 30_000),
  ]);
  assert.equal(await isReady(wrong), false, "a seeded fault: another password is not taken");
});
