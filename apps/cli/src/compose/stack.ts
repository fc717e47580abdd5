// The containers of a site: which there are, whether they are well, and how one is replaced while callers keep coming.
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../fault.ts";
import { composeDoes, composeSays, docker } from "./docker.ts";
import type { Site } from "./site.ts";

export async function containersOf(site: Site, service: string, project?: string): Promise<string[]> {
  const { stdout } = await composeSays(site, ["ps", "--quiet", service], { ...(project && { project }) });
  return stdout.split("\n").filter(Boolean);
}

/** The version that a service's containers run; undefined where none does. */
export async function runningVersion(site: Site, service: string): Promise<string | undefined> {
  const [id] = await containersOf(site, service);
  if (!id) return undefined;
  const image = docker(["inspect", "--format", "{{.Config.Image}}", id]) ?? "";
  return /:([^:/]+)$/.exec(image)?.[1];
}

const patienceMs = 120_000;

async function untilHealthy(id: string, service: string): Promise<void> {
  for (const end = Date.now() + patienceMs; ; await pause(250)) {
    const state = docker(["inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", id]);
    if (state === "running healthy") return;
    if (state === undefined || /^(exited|dead)|unhealthy$/.test(state) || Date.now() > end)
      throw new Fault(
        `The new ${service} does not get healthy (${state ?? "it is gone"}): ${lastLine(id)}`,
        "The old one still runs, and nothing is lost.",
      );
  }
}

const lastLine = (id: string) =>
  (docker(["logs", "--tail", "3", id]) ?? "").split("\n").at(-1)?.slice(0, 300) ?? "";

/** Beside the old ones, then instead of them. */
export async function replaceBeside(site: Site, service: string, env: Record<string, string>): Promise<void> {
  const before = await containersOf(site, service);
  if (before.length === 0) {
    await composeDoes(`starting ${service}`, site, ["up", "--detach", "--no-deps", "--wait", service], {
      env,
    });
    return;
  }
  const words = [
    "up",
    "--detach",
    "--no-deps",
    "--no-recreate",
    "--scale",
    `${service}=${2 * before.length}`,
    service,
  ];
  await composeDoes(`starting the new ${service}`, site, words, { env });
  const fresh = (await containersOf(site, service)).filter((id) => !before.includes(id));
  try {
    for (const id of fresh) await untilHealthy(id, service);
  } catch (error) {
    for (const id of fresh) docker(["rm", "--force", id]);
    throw error;
  }
  for (const id of before) {
    docker(["stop", "--time", "30", id]);
    docker(["rm", id]);
  }
}

// The edge looks twice a second and waits up to five for an answer; a gateway that leaves says so a second and a half before.
const seenMs = 6_000;

/** What has a door at the edge is named there, so a second one stands in under its own name meanwhile. */
export async function replaceBehindEdge(
  site: Site,
  service: string,
  env: Record<string, string>,
): Promise<void> {
  const next = `${service}-next`;
  const up = (name: string) => ["up", "--detach", "--no-deps", "--wait", name];
  const withdraw = async () => {
    await composeSays(site, ["stop", "--timeout", "30", next], { env });
    await composeSays(site, ["rm", "--force", next], { env });
  };
  try {
    await composeDoes(`starting the new ${service}`, site, up(next), { env });
  } catch (error) {
    await withdraw();
    throw error;
  }
  await pause(seenMs);
  await composeDoes(`replacing ${service}`, site, up(service), { env });
  await pause(seenMs);
  await withdraw();
}
