// One-shot in a cluster: makes the Secret with what belongs to this install alone, and only if there is none. It can not change
// one: its rights are to create, and to look at this one.
//   node apps/cli/src/bootstrap-secret.ts NAME KEY...      (keys: as charts/signalbox names them under secrets)

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Fault, faultLine, toFault } from "./fault.ts";

/** Where Kubernetes puts what a pod needs to speak to its API. */
const folder = process.env.SIGNALBOX_SERVICE_ACCOUNT_DIR ?? "/var/run/secrets/kubernetes.io/serviceaccount";
const read = (name: string) => readFileSync(`${folder}/${name}`, "utf8").trim();

async function ask(path: string, body?: unknown): Promise<{ status: number; body: Record<string, never> }> {
  const { KUBERNETES_SERVICE_HOST: host = "", KUBERNETES_SERVICE_PORT: port = "443" } = process.env;
  const url = `https://${host.includes(":") ? `[${host}]` : host}:${port}/api/v1/namespaces/${read("namespace")}${path}`;
  const answer = await fetch(url, {
    headers: { authorization: `Bearer ${read("token")}`, "content-type": "application/json" },
    ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(10_000),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, never> };
}

async function bootstrap(name: string, keys: string[]): Promise<string> {
  const found = await ask(`/secrets/${name}`);
  if (found.status === 200) {
    const missing = keys.filter((key) => !(key in ((found.body.data as object | undefined) ?? {})));
    if (missing.length === 0) return `Secret ${name} is there; nothing was changed.`;
    throw new Fault(
      `Secret ${name} is there, but has no ${missing.join(", ")}.`,
      "Add it by hand, or name Secrets of your own under secrets.*.existingSecret: what is there is never changed.",
    );
  }
  if (found.status !== 404) throw refused("read", name, found);
  const random = () => randomBytes(32).toString("base64url");
  const made = await ask("/secrets", {
    apiVersion: "v1",
    kind: "Secret",
    type: "Opaque",
    metadata: { name, labels: { "app.kubernetes.io/part-of": "signalbox" } },
    stringData: Object.fromEntries(
      keys.map((key) => [key, key.includes("token") ? `sbo_${random()}` : random()]),
    ),
  });
  if (made.status === 409) return `Secret ${name} was made by another meanwhile; nothing was changed.`;
  if (made.status !== 201) throw refused("make", name, made);
  return `Secret ${name} was made, with ${keys.join(", ")}. Keep a copy apart from the cluster.`;
}

const refused = (
  what: string,
  name: string,
  { status, body }: { status: number; body: { message?: string } },
) =>
  new Fault(
    `The cluster did not let us ${what} Secret ${name}: ${status} ${body.message ?? ""}.`,
    "Look at the Role of the bootstrap Job, or name Secrets of your own under secrets.*.existingSecret.",
  );

const [name, ...keys] = process.argv.slice(2);
try {
  if (!name || keys.length === 0)
    throw new Fault("No Secret is named.", "Type: bootstrap-secret.ts NAME KEY...");
  // The network's rules for a new pod may come a moment after it.
  for (let left = 5; ; left -= 1) {
    try {
      console.log(await bootstrap(name, keys));
      break;
    } catch (error) {
      if (error instanceof Fault || left === 0) throw error;
      await pause(2_000);
    }
  }
} catch (error) {
  console.error(faultLine(toFault(error)));
  process.exitCode = 1;
}
