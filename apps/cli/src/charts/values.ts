// What the chart's values may be: values.schema.json and the table of its README are made from this and from the platform's own
// configuration. Strict wherever a name of ours is expected, open at the root, where people share files between charts.

import { configSchema } from "@signalbox/core/config";
import { z } from "zod";

const { strictObject, record, array, string, boolean, literal } = z;
const whole = (least = 0, most = 1_000_000) => z.int().min(least).max(most);
const says = <Type extends z.ZodType>(schema: Type, description: string) => schema.meta({ description });

/** What Kubernetes reads and the chart only hands on. */
const labels = record(string(), string());
const object = record(string(), z.unknown());
const objects = array(object);
const quantity = z.union([
  string().regex(/^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/),
  z.number().positive(),
]);

const amounts = strictObject({
  cpu: quantity.optional(),
  memory: quantity.optional(),
  "ephemeral-storage": quantity.optional(),
});
const resources = strictObject({ requests: amounts.optional(), limits: amounts.optional() });

const secretKey = (what: string) =>
  strictObject({
    existingSecret: says(string(), `Secret that holds ${what}`).optional(),
    key: says(string().min(1), "its key there").optional(),
  });

const digest = z.union([literal(""), string().regex(/^sha256:[0-9a-f]{64}$/)]);
const image = strictObject({
  repository: string().min(1).optional(),
  tag: says(string(), "empty: the version of the chart").optional(),
  digest: says(digest, "wins over the tag").optional(),
});
const otherImage = strictObject({ tag: string().optional(), digest: digest.optional() });

const spread = z.enum(["DoNotSchedule", "ScheduleAnyway", "Off"]);

/** What may be said of each role. */
const common = {
  enabled: says(boolean(), "whether this role runs here").optional(),
  replicas: says(whole(), "pods, where no autoscaler decides").optional(),
  resources: says(resources, "what a pod asks for and may take").optional(),
  autoscaling: strictObject({
    enabled: says(boolean(), "a HorizontalPodAutoscaler decides how many pods there are").optional(),
    minReplicas: whole(1, 1_000).optional(),
    maxReplicas: whole(1, 1_000).optional(),
    cpu: says(whole(1, 1_000).nullable(), "per cent of what is asked for; null: not looked at").optional(),
    memory: says(whole(1, 1_000).nullable(), "per cent of what is asked for; null: not looked at").optional(),
    requestsPerSecond: says(
      whole(1).nullable(),
      "of a pod, for gateway and services: needs a metrics adapter, see docs/install-helm.md",
    ).optional(),
  }).optional(),
  disruptionBudget: strictObject({
    enabled: says(boolean(), "only where there are at least two pods").optional(),
    maxUnavailable: z.union([whole(), string().regex(/^[0-9]+%$/)]).optional(),
  }).optional(),
  maxSurge: says(
    z.union([whole(1), string().regex(/^[0-9]+%$/)]),
    "new pods at a time while a version rolls out",
  ).optional(),
  preStopSeconds: says(
    whole(1, 600),
    "time for balancers to hear of it before a pod is told to end",
  ).optional(),
  terminationGracePeriodSeconds: says(whole(11, 3_600), "at least preStopSeconds and 10").optional(),
  spread: strictObject({
    zone: says(spread, "how strictly pods are spread over zones").optional(),
    host: says(spread, "and over machines").optional(),
  }).optional(),
  priorityClassName: string().optional(),
  nodeSelector: labels.optional(),
  tolerations: objects.optional(),
  affinity: object.optional(),
  podLabels: labels.optional(),
  podAnnotations: labels.optional(),
  serviceAnnotations: labels.optional(),
  extraEnv: says(
    array(
      strictObject({
        name: string().min(1),
        value: z.union([string(), z.number(), boolean()]).optional(),
        valueFrom: object.optional(),
      }),
    ),
    "wins over ours of the same name",
  ).optional(),
  extraEnvFrom: objects.optional(),
  extraVolumes: says(objects, "wins over ours of the same name").optional(),
  extraVolumeMounts: says(objects, "wins over ours at the same path").optional(),
  storage: strictObject({
    enabled: says(
      boolean(),
      "a disk for each pod (StatefulSet), needed only where posts are queued while the database is away",
    ).optional(),
    size: quantity.optional(),
    storageClassName: string().optional(),
  }).optional(),
};
const role = strictObject(common);
const canary = strictObject({
  enabled: says(
    boolean(),
    "a second Deployment on the canary track; who gets it, a canary in the console decides",
  ).optional(),
  replicas: whole(1, 1_000).optional(),
  image: says(otherImage, "the version that is tried").optional(),
}).optional();
const workers = strictObject({
  ...common,
  canary,
  keda: strictObject({
    enabled: says(boolean(), "KEDA decides, by how much work lies ready").optional(),
    minReplicas: whole(1, 1_000).optional(),
    maxReplicas: whole(1, 1_000).optional(),
    prometheusUrl: says(string(), "where KEDA asks").optional(),
    jobsPerReplica: says(whole(1), "jobs that lie ready, for each pod").optional(),
    eventsPerReplica: says(whole(1), "events that lie on the bus, for each pod").optional(),
    pollingInterval: whole(1, 3_600).optional(),
    cooldownPeriod: whole(0, 86_400).optional(),
    authenticationRef: says(string(), "TriggerAuthentication for Prometheus").optional(),
  }).optional(),
});
const service = strictObject({
  ...common,
  canary,
  modules: says(
    string().regex(/^([a-z][a-z0-9]*( *, *[a-z][a-z0-9]*)*|\*)$/),
    "modules that run there, with commas; * for all",
  ),
});

const doors = <Type extends z.ZodType>(one: Type) =>
  strictObject({ gateway: one.optional(), console: one.optional(), operator: one.optional() });
const route = strictObject({
  enabled: boolean().optional(),
  parentRefs: says(objects, "the Gateway that it belongs to").optional(),
  hostnames: array(string()).optional(),
  timeout: says(
    string().regex(/^([0-9]{1,5}(h|m|s|ms)){1,4}$/),
    "of a request; streams have none",
  ).optional(),
  filters: objects.optional(),
  annotations: labels.optional(),
});
const ingress = strictObject({
  enabled: boolean().optional(),
  className: string().optional(),
  hosts: array(string()).optional(),
  tls: objects.optional(),
  annotations: labels.optional(),
});

/** Of the configuration: what the chart itself decides, and what holds a password. */
const ownVariables =
  /^(DATABASE_|REDIS_|SMTP_URL$|S3_SECRET|SIGNALBOX_(ROLE|SERVICES|SERVICE_PORT|ADVERTISE|NAME|HOST|\w+_PORT|DATA_DIR|SECRET|SECRET_FILE|MASTER_KEY_FILE|OPERATOR_TOKEN_FILE|VERSION|COMMIT|TRACK|ZONE)$)/;

export const configVariables = Object.keys(configSchema.shape).filter((name) => !ownVariables.test(name));

const secretsOfInstall = strictObject({
  bootstrap: strictObject({
    enabled: says(boolean(), "a Job makes what no Secret of yours holds, once").optional(),
    secretName: says(string(), "empty: <fullname>-secrets").optional(),
  }).optional(),
  master: secretKey("the install's master secret").optional(),
  masterKeys: secretKey("the master keys of personal data, where they are not the master secret").optional(),
  operatorToken: secretKey("the token that scripts show to the operator API").optional(),
});

const peers = (meanings: Record<string, string>) =>
  strictObject(
    Object.fromEntries(
      Object.entries(meanings).map(([name, meaning]) => [name, says(objects, meaning).optional()]),
    ),
  );
const remote = ["dns", "database", "redis", "smtp", "telemetry", "kubernetesApi", "objects"];

export const valuesSchema = z.looseObject({
  global: z
    .looseObject({
      imageRegistry: says(string(), "wins over image.registry, for hooks and tests too").optional(),
      imagePullSecrets: array(z.union([string(), object])).optional(),
    })
    .optional(),
  fullnameOverride: string().optional(),
  image: strictObject({
    registry: says(string(), "before each repository, such as registry.example.com/mirror").optional(),
    server: image.optional(),
    console: image.optional(),
    pullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).optional(),
    pullSecrets: array(z.union([string(), object])).optional(),
  }).optional(),
  database: strictObject({
    url: says(string().regex(/^$|^postgres(ql)?:\/\//), "address of Postgres, without a password").optional(),
    host: says(string(), "or in parts").optional(),
    port: whole(1, 65_535).optional(),
    name: string().optional(),
    user: string().optional(),
    parameters: says(string(), "such as sslmode=verify-full").optional(),
    password: secretKey("the password").optional(),
    urlFrom: secretKey("the whole address").optional(),
    directUrl: says(string().regex(/^$|^postgres(ql)?:\/\//), "the way round a pooler").optional(),
    directUrlFrom: secretKey("the whole address of the way round a pooler").optional(),
    replicaUrls: says(
      string(),
      "addresses of copies that lists are read from, with commas, without a password",
    ).optional(),
    replicaUrlsFrom: secretKey("the whole addresses of copies").optional(),
  }).optional(),
  redis: strictObject({
    url: says(
      string().regex(/^$|^(rediss?|redis\+(sentinel|cluster)|valkeys?):\/\//),
      "address of Redis or Valkey, without a password",
    ).optional(),
    host: says(string(), "or in parts").optional(),
    port: whole(1, 65_535).optional(),
    tls: boolean().optional(),
    password: secretKey("the password").optional(),
    urlFrom: secretKey("the whole address").optional(),
  }).optional(),
  smtp: strictObject({
    url: says(
      string().regex(/^$|^smtps?:\/\//),
      "mail server without a password; none: mails stay in a mailbox",
    ).optional(),
    urlFrom: secretKey("the whole address").optional(),
  }).optional(),
  ca: strictObject({
    existingSecret: says(string(), "Secret with the authority of stores and mail servers").optional(),
    configMap: says(string(), "or the ConfigMap").optional(),
    key: string().min(1).optional(),
  }).optional(),
  secrets: secretsOfInstall.optional(),
  config: strictObject(
    Object.fromEntries(configVariables.map((name) => [name, z.unknown().optional()])),
  ).optional(),
  migrations: strictObject({
    mode: says(
      z.enum(["job", "hook", "external"]),
      "job: beside the pods, which wait; hook: before them; external: you run them",
    ).optional(),
    image: says(otherImage, "another version's migrations, such as a canary's").optional(),
    backoffLimit: whole().optional(),
    deadlineSeconds: whole(1).optional(),
    ttlSecondsAfterFinished: says(
      whole().nullable(),
      "null: kept until the next one; Argo CD would make a deleted one anew",
    ).optional(),
    resources: resources.optional(),
  }).optional(),
  defaults: says(role, "what every role has unless it says otherwise").optional(),
  roles: strictObject({
    gateway: role.optional(),
    operator: role.optional(),
    console: role.optional(),
    workers: workers.optional(),
    relay: role.optional(),
  }).optional(),
  services: says(
    record(string().regex(/^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$/), service),
    "where the modules run, by a name of yours",
  ).optional(),
  podSecurity: strictObject({
    runAsUser: says(whole(1, 4_294_967_294).nullable(), "null on OpenShift, which gives its own").optional(),
    runAsGroup: whole(1, 4_294_967_294).nullable().optional(),
    fsGroup: whole(1, 4_294_967_294).nullable().optional(),
  }).optional(),
  serviceAccount: strictObject({
    create: boolean().optional(),
    name: string().optional(),
    annotations: labels.optional(),
  }).optional(),
  networkPolicy: strictObject({
    enabled: says(boolean(), "refuse what no role needs").optional(),
    from: peers({
      gateway: "who may call it; empty: everybody",
      console: "who may call it; empty: everybody",
      operator: "who may, beside the console; empty: nobody, or everybody where it has a route",
      metrics: "who may read metrics; empty: nobody, or everybody where there is a ServiceMonitor",
    }).optional(),
    to: peers(
      Object.fromEntries(remote.map((name) => [name, "where it is; empty: anywhere, on its ports"])),
    ).optional(),
    ports: strictObject(
      Object.fromEntries(
        remote.filter((name) => name !== "dns").map((name) => [name, array(whole(1, 65_535)).optional()]),
      ),
    ).optional(),
    extraEgress: says(record(string(), objects), "more rules, by role").optional(),
  }).optional(),
  routes: says(doors(route), "HTTPRoutes of the Gateway API").optional(),
  ingress: says(doors(ingress), "Ingresses, where there is no Gateway API").optional(),
  monitoring: strictObject({
    serviceMonitor: strictObject({
      enabled: boolean().optional(),
      interval: string().optional(),
      scrapeTimeout: string().optional(),
      labels: labels.optional(),
    }).optional(),
    rules: strictObject({
      enabled: says(boolean(), "a PrometheusRule with what pages even if the platform can not").optional(),
      labels: labels.optional(),
    }).optional(),
  }).optional(),
  cnpg: strictObject({
    enabled: says(boolean(), "a database by the CloudNativePG operator").optional(),
    instances: whole(1, 50).optional(),
    imageName: string().optional(),
    storage: strictObject({ size: quantity.optional(), storageClass: string().optional() }).optional(),
    slotKeepSize: says(string(), "log kept for a relay that is away, at most").optional(),
    maxConnections: whole(20, 10_000).optional(),
    resources: resources.optional(),
  }).optional(),
  backup: strictObject({
    enabled: says(boolean(), "a CronJob backs up database and keys to a disk").optional(),
    schedule: says(string().regex(/^(\S+ ){4}\S+$|^@\w+$/), "as cron has it").optional(),
    timeZone: string().min(1).optional(),
    keep: says(whole(1, 10_000), "how many are kept").optional(),
    deadlineSeconds: whole(60).optional(),
    recoveryKey: secretKey("the key that the backup's keys are sealed under; keep a copy apart").optional(),
    copy: says(
      string().regex(/^$|^s3:\/\//),
      "a second copy in a bucket, s3://bucket/prefix; config has S3_ENDPOINT, S3_REGION and S3_ACCESS_KEY_ID",
    ).optional(),
    s3SecretKey: secretKey("the secret key of that S3 server").optional(),
    existingClaim: says(
      string(),
      "a claim of yours, such as one on storage elsewhere; empty: one is made",
    ).optional(),
    storage: strictObject({ size: quantity.optional(), storageClassName: string().optional() }).optional(),
    resources: resources.optional(),
  }).optional(),
  tests: strictObject({ enabled: says(boolean(), "helm test runs doctor").optional() }).optional(),
  crdCheck: says(boolean(), "refuse objects whose definitions the cluster lacks").optional(),
  extraObjects: says(objects, "objects of yours, rendered as templates").optional(),
});
