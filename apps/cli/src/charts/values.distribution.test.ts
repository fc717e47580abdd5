// What may be said to the chart: a name with a wrong letter, a value that the platform does not read and a combination that can not
// work are refused with words.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { chartFolder, render } from "./render.ts";
import { helm, helm3, podOf, refusal, rendered, scratch, variables } from "./rendered-chart.ts";

const run = promisify(execFile);

describe("names in values", () => {
  type Schema = {
    properties?: Record<string, Schema>;
    additionalProperties?: boolean | Schema;
    items?: Schema;
    anyOf?: Schema[];
  };
  const schema = JSON.parse(readFileSync(join(chartFolder, "values.schema.json"), "utf8")) as Schema;
  type Place = { path: string[]; name: string };

  /** Every name below the root that is expected, with the way to it. */
  function places(of: Schema, path: string[] = []): Place[] {
    const named = Object.entries(of.properties ?? {}).flatMap(([name, each]) => [
      ...(path.length > 0 && of.additionalProperties === false ? [{ path, name }] : []),
      ...places(each, [...path, name]),
    ]);
    const more =
      typeof of.additionalProperties === "object" ? places(of.additionalProperties, [...path, "api"]) : [];
    const listed = of.items ? places(of.items, [...path, "0"]) : [];
    return [...named, ...more, ...listed];
  }

  const letters = "abcdefghijklmnopqrstuvwxyz";
  /** Letters lost, doubled, changed and swapped, by turns. */
  function typo(name: string, turn: number): string {
    const at = (turn * 7) % name.length;
    const other = letters[(letters.indexOf(name[at]!.toLowerCase()) + 1 + turn) % 26]!;
    return [
      name.slice(0, at) + name.slice(at + 1),
      name.slice(0, at) + name[at] + name.slice(at),
      name.slice(0, at) + other + name.slice(at + 1),
      name.slice(0, at) + (name[at + 1] ?? other) + name[at] + name.slice(at + 2),
    ][turn % 4]!;
  }

  function put(values: Record<string, unknown>, path: string[], name: string): void {
    let at = values;
    path.forEach((step, depth) => {
      at[step] ??= path[depth + 1] === "0" ? [] : {};
      at = at[step] as Record<string, unknown>;
    });
    at[name] = "typo";
  }

  const all = places(schema);
  for (const [helmName, tool] of [
    ["helm 4", () => helm],
    ["helm 3", () => helm3],
  ] as const)
    test(`every one of ${all.length} nested names with a wrong letter is refused by ${helmName}, in four ways`, async () => {
      assert.ok(all.length > 250);
      for (let turn = 0; turn < 4; turn += 1) {
        const values = structuredClone({ database: { host: "x" }, redis: { host: "x" } }) as Record<
          string,
          unknown
        >;
        const made: string[] = [];
        for (const { path, name } of all) {
          const wrong = typo(name, turn);
          const siblings = all.filter((each) => each.path.join() === path.join()).map((each) => each.name);
          if (wrong === "" || siblings.includes(wrong)) continue;
          put(values, path, wrong);
          made.push(`at '/${path.join("/")}'\u0000${wrong}`);
        }
        const file = join(scratch, "typos.json");
        writeFileSync(file, JSON.stringify(values));
        const said = await run(
          tool(),
          ["template", "x", chartFolder, "--kube-version", "1.35.0", "--values", file],
          {
            maxBuffer: 1 << 26,
          },
        ).then(
          () => "",
          ({ stderr }: { stderr: string }) => stderr,
        );
        const refused = new Set(
          [...said.matchAll(/(at '[^']*'): additional properties (.+) not allowed/g)].flatMap(
            ([, at, names]) =>
              names!.split(/, (?:and )?|\s+and\s+/).map((name) => `${at}\u0000${name.replaceAll("'", "")}`),
          ),
        );
        assert.deepEqual(
          made.filter((each) => !refused.has(each)),
          [],
        );
      }
    });

  test("files that charts share pass: foreign names at the root and under global", async () => {
    await rendered({ someOtherChart: { any: "thing" }, "global.storageClass": "fast" });
  });

  test("what a variable may be is what the platform reads", async () => {
    assert.match(await refusal({ "config.LOG_LEVEL": "loud" }), /LOG_LEVEL/);
    assert.match(await refusal({ "config.SIGNALBOX_POOL_SIZE": 0 }), /POOL_SIZE/);
    assert.match(await refusal({ "config.SIGNALBOX_PUBLIC_URL": "api.example.com" }), /PUBLIC_URL/);
    assert.match(await refusal({ "config.SIGNALBOX_ROLE": "worker" }), /SIGNALBOX_ROLE/, "the chart's own");
    const env = variables(podOf(await rendered({ "config.SIGNALBOX_ARGON2_KIB": 1048576 }), "gateway"));
    assert.equal(env.SIGNALBOX_ARGON2_KIB, "1048576", "no exponent");
  });
});

describe("refusals", () => {
  const keda = { enabled: true, prometheusUrl: "http://prometheus:9090" };
  const cases: [string, Record<string, unknown>, RegExp][] = [
    ["no database", { "database.host": "" }, /No database is named/],
    ["no Redis", { "redis.host": "" }, /No Redis is named/],
    ["a password in an address", { "redis.url": "redis://:secret@valkey" }, /redis.url holds a password/],
    [
      "a password in a copy's",
      { "database.replicaUrls": "postgres://a:b@c/d" },
      /replicaUrls holds a password/,
    ],
    ["no secrets", { "secrets.bootstrap.enabled": false }, /secrets.master.existingSecret is not set/],
    ["a backup that nobody could open", { "backup.enabled": true }, /no recovery key/],
    ["two scalers", { "roles.workers.keda": keda, "roles.workers.autoscaling.enabled": true }, /both on/],
    ["KEDA without Prometheus", { "roles.workers.keda.enabled": true }, /prometheusUrl is not set/],
    ["no time to end", { "roles.gateway.preStopSeconds": 25 }, /Raise it to 35/],
    [
      "a scaler that looks at nothing",
      {
        "roles.gateway.autoscaling": { enabled: true, cpu: null, memory: null },
      },
      /nothing to look at/,
    ],
    [
      "a route without an address",
      { "routes.gateway": { enabled: true, parentRefs: [{ name: "x" }] } },
      /PUBLIC_URL/,
    ],
    [
      "a route without a Gateway",
      {
        "routes.gateway.enabled": true,
        "config.SIGNALBOX_PUBLIC_URL": "https://x.example",
      },
      /parentRefs is empty/,
    ],
    ["two databases", { "cnpg.enabled": true }, /Keep one/],
    ["a service named like a role", { "services.gateway": { modules: "feed" } }, /taken/],
  ];
  for (const [what, set, words] of cases)
    test(`${what} is refused with the words that mend it`, async () =>
      assert.match(await refusal(set), words));

  test("hooks before a database that is made with the rest", async () => {
    const set = { "cnpg.enabled": true, "migrations.mode": "hook", "redis.host": "x" };
    await assert.rejects(render(helm, { set }), /wait for ever/);
  });

  test("objects that the cluster does not know are refused by name, unless nobody can be asked", async () => {
    const operators = {
      KEDA: { "roles.workers.keda": { enabled: true, prometheusUrl: "http://p" } },
      "Gateway API": {
        "routes.gateway": { enabled: true, parentRefs: [{ name: "x" }] },
        "config.SIGNALBOX_PUBLIC_URL": "https://x.example",
      },
      "Prometheus operator": { "monitoring.serviceMonitor.enabled": true },
    };
    for (const [name, set] of Object.entries(operators)) {
      assert.match(await refusal(set, { operators: false }), new RegExp(name));
      await rendered({ ...set, crdCheck: false }, { operators: false });
    }
  });
});
