// What the chart makes of every profile and of every combination: the same text twice, by the real helm, without a finding of lint,
// schemas and our own; and that faults would be found.
import assert from "node:assert/strict";
import { cpSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { root } from "../repository.ts";
import { lint, profileFindings, schemaFindings } from "./check-profiles.ts";
import { bundledFindings, needsOf } from "./lints.ts";
import { chartFolder, profiles, readManifests, render, renderText } from "./render.ts";
import { has, helm, helm3, kubeconform, least, one, podOf, scratch, variables } from "./rendered-chart.ts";

describe("profiles", () => {
  for (const [name, values] of Object.entries(profiles))
    test(`${name}: the same text twice, lint, strict schemas, hooks, pods, names and scalers without a finding`, async () => {
      assert.deepEqual(await profileFindings({ helm, kubeconform }, values), []);
      assert.deepEqual(
        await render(helm3, { values: [values] }),
        await render(helm, { values: [values] }),
        "helm 3 and helm 4 make the same objects",
      );
    });

  test("the large one grows from 3 to 100 on processor, memory and requests, over three zones", async () => {
    const manifests = await render(helm, { values: [profiles["production-large"]!] });
    for (const name of ["gateway", "api", "feed"]) {
      const { spec } = one(manifests, "HorizontalPodAutoscaler", name) as never as {
        spec: {
          minReplicas: number;
          maxReplicas: number;
          metrics: { type: string; resource?: { name: string; target: { averageUtilization: number } } }[];
        };
      };
      assert.deepEqual([spec.minReplicas, spec.maxReplicas], [3, 100]);
      assert.deepEqual(
        spec.metrics.map(({ type, resource }) => resource?.name ?? type),
        ["cpu", "memory", "Pods"],
      );
      assert.deepEqual(
        spec.metrics.map(({ resource }) => resource?.target.averageUtilization),
        [70, 80, undefined],
      );
    }
    const spread = podOf(manifests, "gateway").pod as never as {
      topologySpreadConstraints: { topologyKey: string; whenUnsatisfiable: string }[];
    };
    assert.ok(
      spread.topologySpreadConstraints.some(
        (each) =>
          each.topologyKey === "topology.kubernetes.io/zone" && each.whenUnsatisfiable === "DoNotSchedule",
      ),
    );
  });

  test("the modules that they name exist, and each runs once", async () => {
    const { appRouter } = (await import(join(root, "packages/modules/src/index.ts"))) as {
      appRouter: { _def: { procedures: Record<string, unknown> } };
    };
    const known = [
      ...new Set(Object.keys(appRouter._def.procedures).map((name) => name.split(".")[0]!)),
    ].sort();
    for (const file of Object.values(profiles)) {
      const services = (
        parse(readFileSync(file, "utf8")) as { services?: Record<string, { modules: string }> }
      ).services;
      if (!services) continue;
      const named = Object.values(services).flatMap(({ modules }) =>
        modules === "*" ? known : modules.split(/ *, */),
      );
      assert.deepEqual(named.sort(), known, file);
    }
  });
});

describe("rendering is pure", () => {
  const impure =
    /\b(rand\w*|gen[A-Z]\w*|lookup|now|date\w*|uuidv4|env|expandenv|htpasswd|bcrypt|derivePassword|getHostByName)\b/;
  const calls = (text: string) =>
    [...text.matchAll(/\{\{-?(?!\s*\/\*)([\s\S]*?)\}\}/g)].map(([, call]) =>
      call!.replace(/"[^"]*"/g, '""').replace(/[.$]\w+/g, ""),
    );

  test("no template asks chance, the clock, the cluster or the environment", () => {
    for (const file of globSync("templates/**/*.{yaml,tpl,txt}", { cwd: chartFolder }))
      for (const call of calls(readFileSync(join(chartFolder, file), "utf8")))
        assert.doesNotMatch(call, impure, file);
  });

  test("one that did would be found, by its name and by its second text", async () => {
    const chart = join(scratch, "impure");
    cpSync(chartFolder, chart, { recursive: true });
    const planted =
      "{{- $made := randAlphaNum 32 }}\napiVersion: v1\nkind: Secret\nmetadata: { name: x }\nstringData: { a: {{ $made }} }\n";
    writeFileSync(join(chart, "templates/planted.yaml"), planted);
    assert.ok(calls(planted).some((call) => impure.test(call)));
    const texts = await Promise.all([1, 2].map(() => renderText(helm, { chart, set: least })));
    assert.notEqual(texts[0], texts[1]);
  });
});

test("the matrix of migrations, secrets, tracks, backups, disks and scalers has no finding", async () => {
  const choices: Record<string, unknown>[][] = [
    ["job", "hook", "external"].map((mode) => ({ "migrations.mode": mode })),
    [
      {},
      {
        "secrets.bootstrap.enabled": false,
        "secrets.master.existingSecret": "own",
        "secrets.operatorToken.existingSecret": "own",
      },
    ],
    [
      {},
      {
        "services.api.canary": { enabled: true, replicas: 2, image: { tag: "9.9.9" } },
        "roles.workers.canary.enabled": true,
      },
    ],
    [{}, { backup: { enabled: true, recoveryKey: { existingSecret: "recovery" } } }],
    [{}, { "services.api.storage.enabled": true, "roles.gateway.storage.enabled": true }],
    [
      {},
      { "defaults.autoscaling.enabled": true },
      { "roles.workers.keda": { enabled: true, prometheusUrl: "http://prometheus:9090" } },
    ],
  ];
  const matrix = choices.reduce<Record<string, unknown>[]>(
    (sets, more) => sets.flatMap((set) => more.map((each) => ({ ...set, ...each }))),
    [{ "serviceAccount.create": true, "global.imagePullSecrets": ["registry"] }],
  );
  assert.equal(matrix.length, 144);
  const texts: string[] = [];
  for (const set of matrix) {
    const text = await renderText(helm, { set: { ...least, ...set } });
    assert.deepEqual(lint(readManifests(text)), [], JSON.stringify(set));
    texts.push(text);
  }
  assert.deepEqual(await schemaFindings(kubeconform, texts.join("\n---\n")), []);
});

test("a field that nobody knows and a type that is wrong are found by the schemas", async () => {
  const text = await renderText(helm, { values: [profiles["production-large"]!] });
  for (const [right, wrong] of [
    ["readinessProbe:", "readynessProbe:"],
    ["maxReplicas: 100", "maxReplicas: many"],
    ["policyTypes:", "policyType:"],
    ["minReplicaCount:", "minReplicasCount:"],
    ["backendRefs:", "backendRef:"],
    ["scrapeTimeout:", "scrapeTimout:"],
    ["terminationGracePeriodSeconds:", "terminationGraceSeconds:"],
  ] as const) {
    assert.ok(text.includes(right), right);
    assert.ok((await schemaFindings(kubeconform, text.replaceAll(right, wrong))).length > 0, wrong);
  }
});

describe("nothing is bundled", () => {
  test("no subchart, no database of ours, and no name of what has gone", () => {
    const files = globSync("**/*", { cwd: chartFolder, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    assert.deepEqual(
      bundledFindings(Object.fromEntries(files.map((path) => [path, readFileSync(path, "utf8")]))),
      [],
    );
  });

  test("a database by its operator is the one that the pods are told", async () => {
    const manifests = await render(helm, { values: [profiles.cnpg!] });
    assert.ok(has(manifests, "Cluster", "db"));
    const owner = podOf(manifests, "api");
    assert.equal(variables(owner).DATABASE_URL, "postgres://signalbox@demo-signalbox-db-rw:5432/signalbox");
    assert.equal(
      variables(owner).DATABASE_REPLICA_URLS,
      "postgres://signalbox@demo-signalbox-db-ro:5432/signalbox",
    );
    assert.ok(needsOf(owner.pod).includes("Secret demo-signalbox-db-app"));
  });
});
