// Who reaches whom by the chart's policies, and the ways in from outside.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { root } from "../repository.ts";
import { mayReach, type Party } from "./reach.ts";
import { profiles, render } from "./render.ts";
import { has, helm, rendered } from "./rendered-chart.ts";

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
