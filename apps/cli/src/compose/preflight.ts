// What must hold before anything is started or replaced. Each refusal says what mends it, and nothing was changed.
import { existsSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import { holderOf, isFree } from "../ports.ts";
import { contained } from "./contained.ts";
import { composeConfig, docker, hasImage, requireDocker, runningServices } from "./docker.ts";
import { initSite, isInitialised, type Site } from "./site.ts";

export type Said = (text: string) => void;

/** Where everything is bounded to, and a little for the rest of the machine; 2 GB are sold as somewhat less. */
const leastMemory = 1.7e9;
const leastDisk = 1e9;

const unchanged = "nothing was changed";

/** Before a start, and what doctor looks at. */
export async function requireStartable(site: Site, say: Said = () => {}): Promise<void> {
  const { engine, compose } = requireDocker();
  say(`Docker ${engine}, Compose ${compose}`);
  requireMemory(say);
  if (!isInitialised(site))
    throw new Fault("This install has no secrets yet.", "Type: ./signalbox compose init");
  requireKeptSecrets(site);
  // Refuses a placeholder.
  initSite(site);
  say("secrets");
  requireOwnImages(site);
  say("images");
  await requireFreePorts(site);
  say("ports");
  if (hasDatabase(site)) {
    await requireFittingVolume(site);
    say("the database's volume");
  }
  await requireDisk(site, say);
}

function requireMemory(say: Said): void {
  const bytes = Number(docker(["info", "--format", "{{.MemTotal}}"]));
  if (bytes > 0 && bytes < leastMemory)
    throw new Fault(
      `Docker has ${megabytes(bytes)} of memory; an install needs 2 GB.`,
      `Give it more, or take another machine; ${unchanged}.`,
    );
  if (bytes > 0) say(`memory, ${megabytes(bytes)}`);
}

/** Another one in their place would not open what is there. */
export function requireKeptSecrets(site: Site): void {
  for (const name of ["postgres_password", "secret"])
    if (!existsSync(join(site.secrets, name)) && hasDatabase(site))
      throw new Fault(
        `The secret ${join(site.secrets, name)} is gone, but the database that was made with it is there.`,
        `Put your copy back, or restore a backup with its keys to empty volumes; ${unchanged}.`,
      );
}

const hasDatabase = (site: Site): boolean => {
  const volume = composeConfig(site).volumes.postgres?.name;
  return volume !== undefined && docker(["volume", "inspect", volume]) !== undefined;
};

/** Those of Signalbox itself are built or loaded; others come from their registry. */
function requireOwnImages(site: Site): void {
  const missing = Object.values(composeConfig(site).services)
    .map(({ image }) => image)
    .filter((image) => image.startsWith("signalbox/") && !hasImage(image));
  if (missing.length)
    throw new Fault(
      `There is no image ${[...new Set(missing)].join(", ")} on this machine.`,
      "Make them from this checkout: ./signalbox compose build; or load those of a bundle: docker load -i FILE",
    );
}

const portVariables: Record<number, string> = {
  8080: "SIGNALBOX_GATEWAY_PORT",
  3000: "SIGNALBOX_CONSOLE_PORT",
  80: "SIGNALBOX_HTTP_PORT",
  443: "SIGNALBOX_HTTPS_PORT",
};

async function requireFreePorts(site: Site): Promise<void> {
  const running = runningServices(site);
  for (const [name, { ports = [] }] of Object.entries(composeConfig(site).services))
    for (const { host_ip = "127.0.0.1", published, target } of ports) {
      const port = Number(published);
      if (!running.includes(name) && !(await isFree(port, host_ip)))
        throw new Fault(
          `Port ${port}, which ${name} is to have, is taken by ${holderOf(port)}.`,
          `Stop what holds it, or set another in compose/.env: ${portVariables[target] ?? "see there"}`,
        );
    }
}

export type Look = { versions: string[]; bytes: number; free: number };
const look = (site: Site) => contained<Look>(site, "restore", ["look"]);

/** The image of Postgres must be the one that the volume was made for. */
export async function requireFittingVolume(site: Site): Promise<Look> {
  const seen = await look(site);
  const image = composeConfig(site).services.postgres?.image ?? "";
  const major = /:(\d+)/.exec(image)?.[1];
  if (seen.versions.length && major && !seen.versions.includes(major))
    throw new Fault(
      `The database's volume was made by Postgres ${seen.versions.join(", ")}, and the image ${image} is Postgres ${major}.`,
      `See docs/upgrade.md on how a database moves to another major version; ${unchanged}.`,
    );
  return seen;
}

/** A database that can not write stops everybody. */
async function requireDisk(site: Site, say: Said): Promise<void> {
  const free = hasDatabase(site) ? (await look(site)).free : freeForDocker();
  if (free === undefined) return;
  if (free < leastDisk)
    throw new Fault(
      `There are ${megabytes(free)} free for the volumes; ${megabytes(leastDisk)} are the least.`,
      `Free some space (docker system df shows what Docker holds); ${unchanged}.`,
    );
  say(`disk, ${megabytes(free)} free`);
}

/** Undefined where its disk is another machine's. */
function freeForDocker(): number | undefined {
  const folder = docker(["info", "--format", "{{.DockerRootDir}}"]) ?? "";
  if (!existsSync(folder)) return undefined;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** A backup takes at worst as much as the database. */
export async function requireRoomForBackup(site: Site, { bytes }: Look): Promise<void> {
  const { free } = await contained<{ free: number }>(site, "cli", ["room"]);
  if (free < bytes)
    throw new Fault(
      `There are ${megabytes(free)} free, and the backup before the upgrade may need ${megabytes(bytes)}.`,
      `Free some space; ${unchanged}.`,
    );
}

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6).toLocaleString("en")} MB`;
