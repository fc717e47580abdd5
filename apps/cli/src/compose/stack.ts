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

// Without what it depends on, as a store that is started anew is noticed.
const start = (service: string, ...more: string[]) => ["up", "--detach", "--no-deps", ...more, service];

/** Beside the old ones, then instead of them. */
export async function replaceBeside(site: Site, service: string, env: Record<string, string>): Promise<void> {
  const before = await containersOf(site, service);
  if (before.length === 0) {
    await composeDoes(`starting ${service}`, site, start(service, "--wait"), { env });
    return;
  }
  const words = start(service, "--no-recreate", "--scale", `${service}=${2 * before.length}`);
  await composeDoes(`starting the new ${service}`, site, words, { env });
  const fresh = (await containersOf(site, service)).filter((id) => !before.includes(id));
  try {
    for (const id of fresh) await untilHealthy(id, service);
  } catch (error) {
    for (const id of fresh) docker(["rm", "--force", id]);
    throw error;
  }
  // Callers of a service learn of the new one from the registry: within a second or two, and later on a busy machine.
  await pause(seenMs);
  for (const id of before) {
    docker(["stop", "--time", "30", id]);
    docker(["rm", id]);
  }
}

// What the edge had chosen a place for is on its way by then.
const turnedMs = 4_000;

/**
 * What has a door at the edge is named there, so a second one stands in under its own name meanwhile. The edge is told before the
 * first is asked to end, as not every version says that it leaves. Told in its memory: with a start of its own it has forgotten.
 */
export async function replaceBehindEdge(
  site: Site,
  service: string,
  env: Record<string, string>,
): Promise<void> {
  const next = `${service}-next`;
  const tellEdge = async (...words: string[]) => {
    await composeDoes(
      "telling the edge",
      site,
      ["exec", "-T", "edge", ...words, `/tmp/${service}-stood-in`],
      {
        env,
      },
    );
    await pause(turnedMs);
  };
  const withdraw = async () => {
    await composeSays(site, ["stop", "--timeout", "30", next], { env });
    await composeSays(site, ["rm", "--force", next], { env });
  };
  try {
    await composeDoes(`starting the new ${service}`, site, start(next, "--wait"), { env });
  } catch (error) {
    await withdraw();
    throw error;
  }
  await tellEdge("touch");
  await composeDoes(`replacing ${service}`, site, start(service, "--wait"), { env });
  await tellEdge("rm", "-f");
  await withdraw();
}
