// What schemas do not see: deadlocks of hooks, pods that may too much, names that are there twice, scalers that fight.

import type { Manifest } from "./render.ts";

type Container = {
  name: string;
  image: string;
  env?: {
    name: string;
    valueFrom?: { secretKeyRef?: { name: string }; configMapKeyRef?: { name: string } };
  }[];
  envFrom?: { secretRef?: { name: string }; configMapRef?: { name: string } }[];
  ports?: { name: string; containerPort: number }[];
  volumeMounts?: { name: string; mountPath: string }[];
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
  securityContext?: {
    allowPrivilegeEscalation?: boolean;
    privileged?: boolean;
    readOnlyRootFilesystem?: boolean;
    runAsNonRoot?: boolean;
    capabilities?: { drop?: string[]; add?: string[] };
    seccompProfile?: { type?: string };
  };
  [field: string]: unknown;
};

type Source = { name?: string; secretName?: string };
type Volume = {
  name: string;
  secret?: Source;
  configMap?: Source;
  persistentVolumeClaim?: { claimName: string };
  projected?: { sources: { secret?: Source; configMap?: Source }[] };
  hostPath?: unknown;
  emptyDir?: { sizeLimit?: string };
};

export type PodSpec = {
  containers: Container[];
  initContainers?: Container[];
  volumes?: Volume[];
  serviceAccountName?: string;
  automountServiceAccountToken?: boolean;
  terminationGracePeriodSeconds?: number;
  hostNetwork?: boolean;
  hostPID?: boolean;
  hostIPC?: boolean;
  imagePullSecrets?: { name: string }[];
  securityContext?: { runAsNonRoot?: boolean; runAsUser?: number; seccompProfile?: { type?: string } };
};

export type PodOwner = { manifest: Manifest; pod: PodSpec; labels: Record<string, string> };

/** Every pod that the objects make: of roles, Jobs, hooks and tests. */
export function podsOf(manifests: Manifest[]): PodOwner[] {
  return manifests.flatMap((manifest) => {
    if (manifest.kind === "Pod")
      return [{ manifest, pod: manifest.spec as PodSpec, labels: manifest.metadata.labels ?? {} }];
    const spec = manifest.spec as Record<string, never> | undefined;
    const template = (
      manifest.kind === "CronJob" ? (spec as never as CronJobSpec).jobTemplate.spec.template : spec?.template
    ) as Template | undefined;
    return template?.spec?.containers
      ? [{ manifest, pod: template.spec, labels: template.metadata?.labels ?? {} }]
      : [];
  });
}
type Template = { metadata?: { labels?: Record<string, string> }; spec: PodSpec };
type CronJobSpec = { jobTemplate: { spec: { template: Template } } };

const titleOf = ({ kind, metadata }: Manifest) => `${kind} ${metadata.name}`;
const containersOf = (pod: PodSpec) => [...(pod.initContainers ?? []), ...pod.containers];

/** What must be there before the pod can start. */
export function needsOf(pod: PodSpec): string[] {
  const needs = new Set<string>();
  const say = (kind: string, name: string | undefined) => name && needs.add(`${kind} ${name}`);
  if (pod.serviceAccountName !== "default") say("ServiceAccount", pod.serviceAccountName);
  for (const { name } of pod.imagePullSecrets ?? []) say("Secret", name);
  for (const { secret, configMap, persistentVolumeClaim, projected } of pod.volumes ?? []) {
    say("Secret", secret?.secretName);
    say("ConfigMap", configMap?.name);
    say("PersistentVolumeClaim", persistentVolumeClaim?.claimName);
    for (const source of projected?.sources ?? []) {
      say("Secret", source.secret?.name);
      say("ConfigMap", source.configMap?.name);
    }
  }
  for (const { env, envFrom } of containersOf(pod)) {
    for (const { valueFrom } of env ?? []) {
      say("Secret", valueFrom?.secretKeyRef?.name);
      say("ConfigMap", valueFrom?.configMapKeyRef?.name);
    }
    for (const { secretRef, configMapRef } of envFrom ?? []) {
      say("Secret", secretRef?.name);
      say("ConfigMap", configMapRef?.name);
    }
  }
  return [...needs];
}

const hooksOf = ({ metadata }: Manifest) =>
  (metadata.annotations?.["helm.sh/hook"] ?? "").split(/ *, */).filter(Boolean);
const weightOf = ({ metadata }: Manifest) => Number(metadata.annotations?.["helm.sh/hook-weight"] ?? 0);

/**
 * A pre-* hook runs before anything else is made: what it needs must be there from elsewhere, or be an earlier hook of the
 * same moment. Otherwise the first install waits for ever. Objects that the chart has a Job of its own make count as made by it.
 */
export function hookFindings(manifests: Manifest[], madeByJobs: string[] = []): string[] {
  const findings: string[] = [];
  for (const { manifest, pod } of podsOf(manifests))
    for (const moment of hooksOf(manifest).filter((hook) => hook.startsWith("pre-")))
      for (const need of needsOf(pod)) {
        const made = manifests.find((each) => titleOf(each) === need);
        const isEarlier = made && hooksOf(made).includes(moment) && weightOf(made) < weightOf(manifest);
        if ((made && !isEarlier) || madeByJobs.includes(need))
          findings.push(`${titleOf(manifest)} runs at ${moment} and needs ${need}, which comes later`);
      }
  return findings;
}

/** Pod Security "restricted", a root file system that is read-only, and no token for who does not ask the API. */
export function podFindings(manifests: Manifest[], mayHaveToken: (name: string) => boolean): string[] {
  return podsOf(manifests).flatMap(({ manifest, pod }) => {
    const findings: string[] = [];
    const say = (what: string) => findings.push(`${titleOf(manifest)}: ${what}`);
    if (pod.hostNetwork || pod.hostPID || pod.hostIPC) say("shares the machine's namespaces");
    if (pod.automountServiceAccountToken !== false && !mayHaveToken(manifest.metadata.name))
      say("gets a token of the API");
    if (pod.securityContext?.runAsNonRoot !== true) say("may run as root");
    if (pod.securityContext?.runAsUser === 0) say("runs as root");
    for (const volume of pod.volumes ?? []) {
      if (volume.hostPath) say(`mounts ${volume.name} from the machine`);
      if (volume.emptyDir && !volume.emptyDir.sizeLimit)
        say(`may fill the machine's disk with ${volume.name}`);
    }
    for (const { name, securityContext: may, resources } of containersOf(pod)) {
      if (may?.allowPrivilegeEscalation !== false) say(`${name} may gain privileges`);
      if (may?.privileged) say(`${name} is privileged`);
      if (may?.readOnlyRootFilesystem !== true) say(`${name} can write its root file system`);
      if (!may?.capabilities?.drop?.includes("ALL")) say(`${name} keeps capabilities`);
      if (may?.capabilities?.add?.some((each) => each !== "NET_BIND_SERVICE"))
        say(`${name} adds capabilities`);
      const seccomp = may?.seccompProfile?.type ?? pod.securityContext?.seccompProfile?.type;
      if (seccomp !== "RuntimeDefault" && seccomp !== "Localhost") say(`${name} has no seccomp profile`);
      if (!resources?.requests?.cpu || !resources.requests.memory || !resources.limits?.memory)
        say(`${name} does not say what it asks for and may take`);
    }
    return findings;
  });
}

/** Server-side apply refuses what older ways let pass. */
export function duplicateFindings(manifests: Manifest[]): string[] {
  const findings = twice(manifests.map((each) => `${each.apiVersion} ${titleOf(each)}`)).map(
    (name) => `${name} is there twice`,
  );
  for (const { manifest, pod } of podsOf(manifests)) {
    const say = (what: string, names: string[]) =>
      findings.push(...twice(names).map((name) => `${titleOf(manifest)}: ${what} ${name} is there twice`));
    say(
      "volume",
      (pod.volumes ?? []).map(({ name }) => name),
    );
    for (const { env, ports, volumeMounts } of containersOf(pod)) {
      say(
        "variable",
        (env ?? []).map(({ name }) => name),
      );
      say(
        "port",
        (ports ?? []).map(({ name }) => name),
      );
      say(
        "port",
        (ports ?? []).map(({ containerPort }) => `${containerPort}`),
      );
      say(
        "mount",
        (volumeMounts ?? []).map(({ mountPath }) => mountPath),
      );
    }
  }
  return findings;
}

const twice = (names: string[]) => [...new Set(names.filter((name, at) => names.indexOf(name) !== at))];

/** One scaler for each, and then no number of ours beside it. */
export function scalingFindings(manifests: Manifest[]): string[] {
  const scaled = manifests
    .filter(({ kind }) => kind === "HorizontalPodAutoscaler" || kind === "ScaledObject")
    .map(({ spec }) => {
      const { kind, name } = (spec as { scaleTargetRef: { kind: string; name: string } }).scaleTargetRef;
      return `${kind} ${name}`;
    });
  return [
    ...twice(scaled).map((name) => `${name} has two scalers`),
    ...manifests
      .filter((each) => scaled.includes(titleOf(each)) && "replicas" in (each.spec as object))
      .map((each) => `${titleOf(each)} has a number of pods beside its scaler`),
    ...scaled
      .filter((name) => !manifests.some((each) => titleOf(each) === name))
      .map((name) => `${name} is scaled and is not there`),
  ];
}

/** Of a chart's files, by path: subcharts, workloads of stores, and names of what has gone. */
export function bundledFindings(files: Record<string, string>): string[] {
  return Object.entries(files).flatMap(([path, text]) => {
    const isChart = path.endsWith("Chart.yaml");
    const gone = /bitnami|minio|nginx\.ingress|promtail/i.exec(text)?.[0];
    const store = /^\s*image:.*\b(postgres|valkey|redis|clickhouse|kafka)\b/im.exec(text)?.[0].trim();
    return [
      ...(isChart && /^dependencies:/m.test(text) ? [`${path} has subcharts`] : []),
      ...(gone ? [`${path} names ${gone}`] : []),
      ...(store ? [`${path} brings a store: ${store}`] : []),
    ];
  });
}
