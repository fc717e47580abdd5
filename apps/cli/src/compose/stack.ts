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

// A gateway looks into the registry once a second.
const seenMs = 6_000;

// What they depend on stays as it is, as a store that is started anew is noticed, and the schema is not looked at again. Not by
// --no-deps: a container that was made so is another one to Compose, which the next `up` would replace.
const start = (services: string[], ...more: string[]) => [
  ...["up", "--detach", "--no-recreate", "--scale", "migrate=0"],
  ...more,
  ...services,
];

/** New ones beside the old ones, then instead of them. */
export async function replaceBeside(
  site: Site,
  services: string[],
  env: Record<string, string>,
): Promise<void> {
  const all = services.join(", ");
  const before: string[] = [];
  const scales: string[] = [];
  for (const service of services) {
    const ids = await containersOf(site, service);
    before.push(...ids);
    scales.push("--scale", `${service}=${Math.max(1, 2 * ids.length)}`);
  }
  await composeDoes(`starting the new ${all}`, site, start(services, ...scales), { env });
  const fresh: { id: string; service: string }[] = [];
  for (const service of services)
    for (const id of await containersOf(site, service)) if (!before.includes(id)) fresh.push({ id, service });
  try {
    for (const { id, service } of fresh) await untilHealthy(id, service);
  } catch (error) {
    docker(["rm", "--force", ...fresh.map(({ id }) => id)]);
    throw error;
  }
  if (!before.length) return;
  // Callers of a service learn of the new one from the registry: within a second or two, and later on a busy machine.
  await pause(seenMs);
  docker(["stop", "--time", "30", ...before], 90_000);
  docker(["rm", ...before]);
}

// What the edge had chosen a place for is on its way by then.
const turnedMs = 4_000;

/**
 * What has a door at the edge is named there, so a second one stands in under its own name meanwhile. The edge is told before the
 * first is asked to end, as not every version says that it leaves. Told in its memory: with a start of its own it has forgotten.
 */
export async function replaceBehindEdge(
  site: Site,
  services: string[],
  env: Record<string, string>,
): Promise<void> {
  const all = services.join(", ");
  const next = services.map((service) => `${service}-next`);
  const tellEdge = async (...words: string[]) => {
    const notes = services.map((service) => `/tmp/${service}-stood-in`);
    await composeDoes("telling the edge", site, ["exec", "-T", "edge", ...words, ...notes], { env });
    await pause(turnedMs);
  };
  const withdraw = async () => {
    await composeSays(site, ["stop", "--timeout", "30", ...next], { env });
    await composeSays(site, ["rm", "--force", ...next], { env });
  };
  try {
    await composeDoes(`starting the new ${all}`, site, start(next, "--wait"), { env });
  } catch (error) {
    await withdraw();
    throw error;
  }
  await tellEdge("touch");
  await composeDoes(`ending the old ${all}`, site, ["rm", "--stop", "--force", ...services], { env });
  await composeDoes(`replacing ${all}`, site, start(services, "--wait"), { env });
  await tellEdge("rm", "-f");
  await withdraw();
}
