import assert from "node:assert/strict";
import { test } from "node:test";
import { bundledFindings, duplicateFindings, hookFindings, podFindings, scalingFindings } from "./lints.ts";
import type { Manifest } from "./render.ts";

const container = {
  name: "app",
  image: "app",
  resources: { requests: { cpu: "1m", memory: "1Mi" }, limits: { memory: "1Mi" } },
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
    seccompProfile: { type: "RuntimeDefault" },
  },
};
const pod = {
  automountServiceAccountToken: false,
  securityContext: { runAsNonRoot: true },
  containers: [container],
};

const job = (name: string, spec: object, annotations: Record<string, string> = {}): Manifest => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name, annotations },
  spec: { template: { spec } },
});
const secret = (annotations: Record<string, string> = {}): Manifest => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "database", annotations },
});

const preInstall = { "helm.sh/hook": "pre-install,pre-upgrade" };
const needing = (need: object) => ({ ...pod, ...need });

test("a hook that needs what comes later is found, however it needs it", () => {
  const ways = [
    { volumes: [{ name: "x", secret: { secretName: "database" } }] },
    { volumes: [{ name: "x", projected: { sources: [{ secret: { name: "database" } }] } }] },
    { containers: [{ ...container, envFrom: [{ secretRef: { name: "database" } }] }] },
    {
      containers: [
        { ...container, env: [{ name: "X", valueFrom: { secretKeyRef: { name: "database", key: "x" } } }] },
      ],
    },
    { imagePullSecrets: [{ name: "database" }] },
  ];
  for (const way of ways) {
    const hook = job("migrate", needing(way), preInstall);
    assert.equal(hookFindings([hook, secret()]).length, 2, JSON.stringify(way));
    assert.deepEqual(hookFindings([hook]), [], "what is there from elsewhere is no fault");
    assert.equal(hookFindings([hook], ["Secret database"]).length, 2, "a Job of the chart makes it later");
    const earlier = secret({ ...preInstall, "helm.sh/hook-weight": "-5" });
    assert.deepEqual(hookFindings([hook, earlier]), []);
    assert.equal(hookFindings([hook, secret(preInstall)]).length, 2, "of the same weight it may be later");
  }
  const account: Manifest = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "app" } };
  assert.equal(
    hookFindings([job("migrate", needing({ serviceAccountName: "app" }), preInstall), account]).length,
    2,
  );
});

test("a pod that may more than restricted is found", () => {
  const token = () => false;
  assert.deepEqual(podFindings([job("good", pod)], token), []);
  const faults: object[] = [
    { automountServiceAccountToken: true },
    { automountServiceAccountToken: undefined },
    { securityContext: {} },
    { hostNetwork: true },
    { volumes: [{ name: "x", hostPath: { path: "/" } }] },
    { volumes: [{ name: "x", emptyDir: {} }] },
    ...[
      { allowPrivilegeEscalation: true },
      { privileged: true },
      { readOnlyRootFilesystem: false },
      { capabilities: { drop: [] } },
      { capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] } },
      { seccompProfile: { type: "Unconfined" } },
    ].map((fault) => ({
      containers: [{ ...container, securityContext: { ...container.securityContext, ...fault } }],
    })),
    { initContainers: [{ name: "init", image: "init" }] },
    { containers: [{ ...container, resources: {} }] },
  ];
  for (const fault of faults)
    assert.ok(podFindings([job("bad", { ...pod, ...fault })], token).length > 0, JSON.stringify(fault));
});

test("names that are there twice are found", () => {
  const two = [{ name: "A" }, { name: "A" }];
  assert.equal(duplicateFindings([job("a", { ...pod, containers: [{ ...container, env: two }] })]).length, 1);
  assert.equal(duplicateFindings([job("a", { ...pod, volumes: two })]).length, 1);
  assert.equal(duplicateFindings([secret(), secret()]).length, 1);
});

test("scalers that fight are found", () => {
  const scaler = (kind: string): Manifest => ({
    apiVersion: "x",
    kind,
    metadata: { name: "a" },
    spec: { scaleTargetRef: { kind: "Deployment", name: "a" } },
  });
  const deployment = (spec: object): Manifest => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "a" },
    spec,
  });
  const hpa = scaler("HorizontalPodAutoscaler");
  assert.deepEqual(scalingFindings([hpa, deployment({})]), []);
  assert.equal(scalingFindings([hpa, deployment({ replicas: 3 })]).length, 1);
  assert.equal(scalingFindings([hpa, scaler("ScaledObject"), deployment({})]).length, 1);
  assert.equal(scalingFindings([hpa]).length, 1);
});

test("a chart that brings a store along is found, however it does", () => {
  const ways = {
    "x/Chart.yaml": "name: x\ndependencies:\n  - name: postgresql\n",
    "x/values.yaml": "registry: docker.io/bitnami\n",
    "x/templates/stores.yaml":
      "      containers:\n        - name: db\n          image: docker.io/library/postgres:18\n",
    "x/templates/ingress.yaml": "nginx.ingress.kubernetes.io/rewrite-target: /\n",
  };
  for (const [path, text] of Object.entries(ways))
    assert.equal(bundledFindings({ [path]: text }).length, 1, path);
  assert.deepEqual(
    bundledFindings({ "x/Chart.yaml": "name: x\n", "x/values.yaml": "database: { url: postgres://db }\n" }),
    [],
  );
});
