// A kubelet's part, for tests: starts the container of a rendered pod as a process of this checkout, with its arguments, variables,
// files and an address of its own, asks its probes, and ends it as an orchestrator would. No isolation: that is the runtime's.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "../repository.ts";
import type { PodOwner } from "./lints.ts";

export type Secrets = Record<string, Record<string, string>>;

type Variable = {
  name: string;
  value?: string;
  valueFrom?: { fieldRef?: { fieldPath: string }; secretKeyRef?: { name: string; key: string } };
};
type HttpGet = { path: string; port: string };

export type StartedPod = {
  address: string;
  /** What it holds of memory. */
  residentBytes(): number;
  output(): string;
  exited: Promise<number | null>;
  /** Asks a probe as it stands in the pod. */
  ask(probe: "startupProbe" | "livenessProbe" | "readinessProbe"): Promise<Response | undefined>;
  /** SIGTERM, and the status of the end. */
  end(): Promise<number | null>;
  kill(): void;
};

export function startPod(
  { pod }: PodOwner,
  site: {
    folder: string;
    address: string;
    secrets: Secrets;
    /** What the cluster's DNS would know, by name. */
    names: Record<string, string>;
    /** Over the pod's own: what an image brings, or a test must move. */
    env?: Record<string, string>;
  },
): StartedPod {
  const { folder, address, secrets, names } = site;
  const [container] = pod.containers;
  const inSite = (path: string) => join(folder, path);
  for (const { name, mountPath } of container!.volumeMounts ?? []) {
    mkdirSync(inSite(mountPath), { recursive: true });
    const volume = pod.volumes!.find((each) => each.name === name)!;
    const sources = (volume.projected?.sources ?? []) as {
      secret: { name: string; items: { key: string; path: string }[] };
    }[];
    for (const { secret } of sources)
      for (const { key, path } of secret.items) {
        const file = join(inSite(mountPath), path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, readKey(secrets, secret.name, key));
      }
  }
  const mounts = (container!.volumeMounts ?? []).map(({ mountPath }) => mountPath);
  const placed = (text: string) => {
    let moved = text;
    for (const path of mounts) if (moved === path || moved.startsWith(`${path}/`)) moved = inSite(moved);
    for (const [name, at] of Object.entries(names)) moved = moved.replace(`//${name}:`, `//${at}:`);
    return moved;
  };
  const env: Record<string, string> = {};
  for (const { name, value, valueFrom } of (container!.env ?? []) as Variable[]) {
    const key = valueFrom?.secretKeyRef;
    if (value !== undefined) env[name] = placed(value);
    else if (key) env[name] = readKey(secrets, key.name, key.key);
    else env[name] = valueFrom?.fieldRef?.fieldPath === "status.podIP" ? address : "";
  }
  const child: ChildProcess = spawn(process.execPath, (container!.args as string[]).map(placed), {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    // Of this machine only where programs are: a pod inherits nothing.
    env: { PATH: process.env.PATH, NODE_ENV: "production", SIGNALBOX_HOST: address, ...env, ...site.env },
  });
  let text = "";
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  const exited = once(child, "exit").then(([code]) => code as number | null);
  return {
    address,
    residentBytes: () =>
      Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))![1]) * 1024,
    output: () => text,
    exited,
    async ask(probe) {
      const { path, port } = (container![probe] as { httpGet: HttpGet }).httpGet;
      const at = container!.ports!.find((each) => each.name === port)!.containerPort;
      return fetch(`http://${address}:${at}${path}`).catch(() => undefined);
    },
    end() {
      child.kill("SIGTERM");
      return exited;
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

function readKey(secrets: Secrets, name: string, key: string): string {
  const value = secrets[name]?.[key];
  if (value === undefined) throw new Error(`Secret ${name} has no ${key}: the pod would wait for it`);
  return value;
}
