import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { platformVersion, root } from "../repository.ts";
import { lint, profileFindings, schemaFindings } from "./check-profiles.ts";
import { needsOf, type PodOwner, podsOf } from "./lints.ts";
import { mayReach, type Party } from "./reach.ts";
import {
  chartFolder,
  type Manifest,
  profiles,
  type RenderOptions,
  readManifests,
  render,
  renderText,
} from "./render.ts";
import { requireTool } from "./tools.ts";

const run = promisify(execFile);

let helm: string;
let helm3: string;
let kubeconform: string;
const scratch = mkdtempSync(join(tmpdir(), "signalbox-charts-"));

before(
  async () => {
    const say = (text: string) => console.error(text);
    helm = await requireTool("helm", say);
    helm3 = await requireTool("helm 3", say);
    kubeconform = await requireTool("kubeconform", say);
  },
  { timeout: 25 * 60_000 },
);
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The least that an install must say. */
const least = {
  "database.host": "postgres",
  "database.password.existingSecret": "database",
  "redis.host": "valkey",
};
const rendered = (set: Record<string, unknown> = {}, more: RenderOptions = {}) =>
  render(helm, { set: { ...least, ...set }, ...more });
const one = (manifests: Manifest[], kind: string, name: string): Manifest => {
  const found = manifests.find(
    (each) => each.kind === kind && each.metadata.name === `demo-signalbox-${name}`,
  );
  assert.ok(found, `${kind} ${name} is there`);
  return found;
};
const has = (manifests: Manifest[], kind: string, name?: string) =>
  manifests.some((each) => each.kind === kind && (!name || each.metadata.name === `demo-signalbox-${name}`));
const podOf = (manifests: Manifest[], name: string): PodOwner =>
  podsOf(manifests).find(({ manifest }) => manifest.metadata.name === `demo-signalbox-${name}`)!;
type Variable = { name: string; value?: string; valueFrom?: unknown };
const variables = ({ pod }: PodOwner) =>
  Object.fromEntries(
    (pod.containers[0]!.env as Variable[]).map((each) => [each.name, each.value ?? each.valueFrom]),
  );

async function refusal(set: Record<string, unknown>, more: RenderOptions = {}): Promise<string> {
  try {
    await rendered(set, more);
  } catch (error) {
    return (error as { stderr: string }).stderr;
  }
  return assert.fail(`${JSON.stringify(set)} was not refused`);
}

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

describe("secrets", () => {
  test("nothing secret is in the render, and no Secret: what is made is made in the cluster, create-only", async () => {
    const manifests = await rendered();
    assert.ok(!has(manifests, "Secret"));
    const { rules } = one(manifests, "Role", "bootstrap") as never as {
      rules: { verbs: string[]; resources: string[]; resourceNames?: string[] }[];
    };
    assert.deepEqual(
      rules.map(({ verbs, resources, resourceNames }) => [resources, verbs, resourceNames]),
      [
        [["secrets"], ["create"], undefined],
        [["secrets"], ["get"], ["demo-signalbox-secrets"]],
      ],
    );
  });

  test("Secrets of one's own for every credential leave nothing to make", async () => {
    const manifests = await rendered({
      "secrets.master.existingSecret": "mine",
      "secrets.operatorToken.existingSecret": "mine",
      "secrets.masterKeys.existingSecret": "keys",
      "redis.password.existingSecret": "redis",
      "smtp.urlFrom.existingSecret": "smtp",
    });
    assert.ok(!manifests.some(({ metadata }) => metadata.name.includes("bootstrap-")));
    assert.deepEqual(
      needsOf(podOf(manifests, "gateway").pod)
        .filter((need) => need.startsWith("Secret"))
        .sort(),
      ["Secret database", "Secret keys", "Secret mine", "Secret redis", "Secret smtp"],
    );
    assert.deepEqual(
      needsOf(podOf(manifests, "console").pod).filter((need) => need.startsWith("Secret")),
      [],
      "the console holds none",
    );
  });

  test("a Job whose content changes has another name, as a Job can not be changed", async () => {
    const name = (manifests: Manifest[], part: string) =>
      manifests.find(({ kind, metadata }) => kind === "Job" && metadata.name.includes(part))!.metadata.name;
    const [before, again, after] = [
      await rendered(),
      await rendered(),
      await rendered({ "image.server.tag": "9.9.9" }),
    ];
    for (const part of ["-migrate-", "-bootstrap-"]) {
      assert.equal(name(before, part), name(again, part));
      assert.notEqual(name(before, part), name(after, part));
    }
  });
});

test("the matrix of migrations, secrets, tracks, disks and scalers has no finding", async () => {
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
  assert.equal(matrix.length, 72);
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

type Probe = { httpGet?: { path: string; port: string }; tcpSocket?: { port: string } };

describe("pods", () => {
  const names = ["gateway", "operator", "workers", "relay", "api", "console"];

  test("variables, volumes and mounts of one's own win over ours of the same name, whatever is named", async () => {
    const ours = variables(podOf(await rendered(), "gateway"));
    let seed = 20261121;
    const chance = () => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed / 2147483648;
    };
    for (let round = 0; round < 12; round += 1) {
      const picked = [...Object.keys(ours), "OTHER_ONE", "OTHER_TWO", "NODE_OPTIONS"].filter(
        () => chance() < 0.4,
      );
      const extra = picked.map((name) => ({ name, value: `mine ${round} " \\ $(X) {{ x }}` }));
      const manifests = await rendered({
        "roles.gateway.extraEnv": [...extra, ...extra.slice(0, 2)],
        "roles.gateway.extraVolumes": [{ name: "data", emptyDir: { sizeLimit: "2Gi" } }],
        "roles.gateway.extraVolumeMounts": [{ name: "data", mountPath: "/tmp" }],
      });
      assert.deepEqual(lint(manifests), []);
      const told = variables(podOf(manifests, "gateway"));
      for (const { name, value } of extra) assert.equal(told[name], value);
      assert.deepEqual(
        Object.keys({ ...ours, ...told }).sort(),
        Object.keys(told).sort(),
        "and ours are still there",
      );
    }
  });

  test("are told apart by probes that ask different things, on ports that they open", async () => {
    const manifests = await rendered();
    for (const name of names) {
      const [container] = podOf(manifests, name).pod.containers;
      const open = container!.ports!.map((port) => port.name);
      const [live, ready, start] = ["livenessProbe", "readinessProbe", "startupProbe"].map(
        (probe) => container![probe] as Probe,
      ) as [Probe, Probe, Probe];
      assert.notDeepEqual(live, ready);
      for (const probe of [live, ready, start])
        assert.ok(open.includes((probe.httpGet ?? probe.tcpSocket)!.port), name);
      if (name !== "console") {
        assert.equal(live.httpGet?.path, "/livez", "which asks no store");
        assert.equal(ready.httpGet?.path, "/readyz");
      }
    }
  });

  test("leave in good order: no gap while they are replaced, and time to finish, without a shell", async () => {
    const manifests = await rendered();
    for (const name of names) {
      const { spec } = one(manifests, "Deployment", name) as never as {
        spec: { strategy: { rollingUpdate: { maxUnavailable: number } } };
      };
      assert.equal(spec.strategy.rollingUpdate.maxUnavailable, 0);
      const { pod } = podOf(manifests, name);
      const { preStop } = (
        pod.containers[0] as never as { lifecycle: { preStop: { sleep: { seconds: number } } } }
      ).lifecycle;
      assert.deepEqual(Object.keys(preStop), ["sleep"]);
      assert.ok(pod.terminationGracePeriodSeconds! >= preStop.sleep.seconds + 10);
      assert.ok(has(manifests, "PodDisruptionBudget", name));
    }
    const single = await rendered({ "defaults.replicas": 1 });
    assert.ok(!has(single, "PodDisruptionBudget"), "one pod that may not go would hold up a machine's end");
  });

  test("user ids can be left to the platform", async () => {
    const manifests = await render(helm, { values: [profiles.openshift!] });
    for (const { pod } of podsOf(manifests))
      assert.deepEqual(Object.keys(pod.securityContext!).sort(), ["runAsNonRoot", "seccompProfile"]);
  });

  test("every image, those of hooks and tests too, comes from the registry that is named, by its digest", async () => {
    for (const mode of ["job", "hook"]) {
      const manifests = await render(helm, {
        values: [profiles["air-gapped"]!],
        set: { "migrations.mode": mode },
      });
      const images = podsOf(manifests).flatMap(({ pod }) => pod.containers.map(({ image }) => image));
      assert.ok(images.length >= 9);
      for (const image of images)
        assert.match(image, /^registry\.internal:5000\/signalbox\/(server|console)@sha256:[0-9a-f]{64}$/);
      for (const { pod } of podsOf(manifests)) assert.deepEqual(pod.imagePullSecrets, [{ name: "registry" }]);
    }
  });

  test("of the canary track are a Deployment of their own beside the stable one", async () => {
    const manifests = await rendered({
      "services.api.canary": { enabled: true, replicas: 2, image: { tag: "9.9.9" } },
      "services.api.autoscaling.enabled": true,
    });
    const [stable, canary] = [podOf(manifests, "api"), podOf(manifests, "api-canary")];
    assert.equal(variables(stable).SIGNALBOX_TRACK, "stable");
    assert.equal(variables(canary).SIGNALBOX_TRACK, "canary");
    assert.equal(canary.pod.containers[0]!.image, "signalbox/server:9.9.9");
    const selector = ({ manifest }: PodOwner) =>
      (manifest.spec as { selector: { matchLabels: Record<string, string> } }).selector.matchLabels;
    for (const [own, other] of [
      [stable, canary],
      [canary, stable],
    ] as const) {
      const picks = (labels: Record<string, string>) =>
        Object.entries(selector(own)).every(([key, value]) => labels[key] === value);
      assert.ok(picks(own.labels) && !picks(other.labels), "neither takes the other's pods");
    }
    const { selector: scraped } = (
      one(manifests, "Service", "api") as never as { spec: { selector: Record<string, string> } }
    ).spec;
    for (const { labels } of [stable, canary])
      assert.ok(Object.entries(scraped).every(([key, value]) => labels[key] === value));
    assert.equal((canary.manifest.spec as { replicas: number }).replicas, 2, "its number is the canary's");
  });
});

describe("scaling", () => {
  test("by what lies ready, as the workers themselves count it: the metrics are those that they export", async () => {
    const manifests = await rendered({
      "roles.workers.keda": { enabled: true, prometheusUrl: "http://prometheus:9090" },
    });
    const { triggers } = (
      one(manifests, "ScaledObject", "workers") as never as {
        spec: { triggers: { type: string; metadata: { query: string } }[] };
      }
    ).spec;
    const exported = readFileSync(join(root, "apps/workers/src/main.ts"), "utf8");
    for (const { type, metadata } of triggers) {
      assert.equal(type, "prometheus", "never the length of a Redis list, which misses jobs with a priority");
      const [, metric] = /\((signalbox_\w+)\{/.exec(metadata.query)!;
      assert.ok(exported.includes(`\`${metric}$`), metric);
    }
  });

  test("by requests: the metrics are made from those that are exported", async () => {
    const docs = readFileSync(join(root, "docs/install-helm.md"), "utf8");
    const manifests = await rendered({
      "defaults.autoscaling": { enabled: true, requestsPerSecond: 100 },
    });
    const wanted = manifests
      .filter(({ kind }) => kind === "HorizontalPodAutoscaler")
      .flatMap(({ spec }) => (spec as { metrics: { pods?: { metric: { name: string } } }[] }).metrics)
      .flatMap(({ pods }) => (pods ? [pods.metric.name] : []));
    assert.deepEqual([...new Set(wanted)].sort(), [
      "signalbox_calls_per_second",
      "signalbox_gateway_requests_per_second",
    ]);
    for (const metric of wanted) assert.ok(docs.includes(`as: ${metric}`), metric);
    const sources = ["packages/core/src/metrics.ts", "apps/api/src/main.ts"]
      .map((file) => readFileSync(join(root, file), "utf8"))
      .join();
    for (const [, series] of docs.matchAll(/seriesQuery: '(\w+)/g))
      assert.ok(sources.includes(`"${series}"`), series);
  });
});

describe("network", () => {
  const outside: Party = { address: "203.0.113.1/32" };
  const stranger: Party = { labels: { app: "stranger" } };
  const part = (component: string): Party => ({
    labels: {
      "app.kubernetes.io/name": "signalbox",
      "app.kubernetes.io/instance": "demo",
      "app.kubernetes.io/component": component,
    },
  });

  test("each role reaches what it needs, and nobody else reaches anything", async () => {
    const manifests = await rendered();
    const may = (from: Party, to: Party, port: number) => mayReach(manifests, from, to, port);
    const wanted: [Party, Party, number][] = [
      [outside, part("gateway"), 8080],
      [outside, part("console"), 3000],
      [part("gateway"), part("api"), 3001],
      [part("console"), part("operator"), 8081],
      [part("doctor"), part("gateway"), 8080],
      [part("doctor"), part("operator"), 8081],
      [part("bootstrap"), outside, 6443],
      ...["gateway", "api", "operator", "workers", "relay", "migrate", "doctor"].map(
        (name) => [part(name), outside, 5432] as [Party, Party, number],
      ),
      ...["gateway", "api", "operator", "workers", "relay"].map(
        (name) => [part(name), outside, 6379] as [Party, Party, number],
      ),
    ];
    for (const [from, to, port] of wanted) assert.ok(may(from, to, port), JSON.stringify([from, to, port]));
    const unwanted: [Party, Party, number][] = [
      [outside, part("api"), 3001],
      [outside, part("operator"), 8081],
      [stranger, part("operator"), 8081],
      [stranger, part("api"), 3001],
      [part("console"), part("api"), 3001],
      [part("workers"), part("api"), 3001],
      [part("console"), outside, 5432],
      [part("console"), outside, 443],
      [part("gateway"), outside, 443],
      [part("gateway"), outside, 6443],
      [part("migrate"), outside, 6379],
      [part("bootstrap"), outside, 5432],
      [outside, part("gateway"), 8082],
      [stranger, part("workers"), 8082],
      [outside, part("migrate"), 5432],
      [part("unknown"), outside, 5432],
    ];
    for (const [from, to, port] of unwanted)
      assert.ok(!may(from, to, port), JSON.stringify([from, to, port]));
    assert.ok(mayReach(manifests, part("gateway"), outside, 53, "UDP"));
  });

  test("stores can be held to their addresses, scrapers to their namespace; the model sees a policy that is gone", async () => {
    const manifests = await render(helm, { values: [profiles["production-large"]!] });
    const monitoring: Party = { namespace: { "kubernetes.io/metadata.name": "monitoring" }, labels: {} };
    assert.ok(mayReach(manifests, part("feed"), { address: "10.20.0.0/24" }, 5432));
    assert.ok(!mayReach(manifests, part("feed"), outside, 5432));
    assert.ok(mayReach(manifests, monitoring, part("feed"), 8082));
    assert.ok(!mayReach(manifests, outside, part("gateway"), 8080));
    const open = manifests.filter(
      ({ kind, metadata }) => kind !== "NetworkPolicy" || !/deny|-api$/.test(metadata.name),
    );
    assert.ok(
      mayReach(open, stranger, part("api"), 3001),
      "a seeded fault: without its policies a pod is open",
    );
  });
});

describe("the way in", () => {
  test("is closed unless told: no route and no Ingress by default", async () => {
    const manifests = await rendered();
    assert.ok(!has(manifests, "HTTPRoute") && !has(manifests, "Ingress"));
    for (const { spec } of manifests.filter(({ kind }) => kind === "Service"))
      assert.ok(!["NodePort", "LoadBalancer"].includes((spec as { type?: string }).type ?? ""));
  });

  test("leads to ports that are there, and streams have no end", async () => {
    const manifests = await render(helm, {
      values: [profiles["production-small"]!],
      set: { "routes.operator": { enabled: true, parentRefs: [{ name: "internal" }] } },
    });
    const routes = manifests.filter(({ kind }) => kind === "HTTPRoute");
    assert.equal(routes.length, 3);
    for (const { spec } of routes) {
      const { rules } = spec as {
        rules: {
          matches: { path: { value: string } }[];
          timeouts: { request: string };
          backendRefs: { name: string; port: number }[];
        }[];
      };
      for (const { backendRefs } of rules)
        for (const { name, port } of backendRefs) {
          const service = manifests.find((each) => each.kind === "Service" && each.metadata.name === name);
          const { ports } = service!.spec as { ports: { port: number }[] };
          assert.ok(ports.some((each) => each.port === port));
        }
      assert.equal(rules[0]!.timeouts.request, "0s");
    }
    const live = readFileSync(join(root, "apps/api/src/routes/live.ts"), "utf8");
    assert.ok(live.includes("/feed/live"), "the stream's path is the one in the route");
  });
});

describe("nothing is bundled", () => {
  test("no subchart, no database of ours, and no name of what has gone", () => {
    const text = globSync("**/*", { cwd: chartFolder, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
      .join("\n");
    assert.doesNotMatch(readFileSync(join(chartFolder, "Chart.yaml"), "utf8"), /dependencies/);
    assert.doesNotMatch(text, /bitnami|minio|nginx\.ingress|promtail/i);
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
