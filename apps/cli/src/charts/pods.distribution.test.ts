// The pods of the chart: whose secrets they hold, what they are told, how they are asked, how they leave and how they are scaled.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { root } from "../repository.ts";
import { lint } from "./check-profiles.ts";
import { needsOf, type PodOwner, podsOf } from "./lints.ts";
import { type Manifest, profiles, render } from "./render.ts";
import { has, helm, one, podOf, rendered, variables } from "./rendered-chart.ts";

type Probe = { httpGet?: { path: string; port: string }; tcpSocket?: { port: string } };

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
