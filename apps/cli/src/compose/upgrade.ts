// Upgrades and rollbacks of a Compose install: everything that can be refused is refused first, a backup is taken, the schema grows,
// and then one process after the other is replaced while callers keep coming.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import { readJson, writeWhole } from "../files.ts";
import { requireDirectUpgrade } from "../releases.ts";
import { platformVersion } from "../repository.ts";
import { green } from "../screen.ts";
import { contained } from "./contained.ts";
import { composeConfig, composeDoes, hasImage } from "./docker.ts";
import { requireFittingVolume, requireRoomForBackup } from "./preflight.ts";
import type { Site } from "./site.ts";
import { replaceBehindEdge, replaceBeside, runningVersion } from "./stack.ts";

type Upgrade = { from: string; to: string; backup: string; at: string };

const noteOf = (site: Site) => join(site.folder, "upgrade.json");
const lastUpgrade = (site: Site) => readJson<Upgrade>(noteOf(site));

const say = (text: string) => console.log(`  ${green("✓")} ${text}`);

/** Refuses before anything is touched. */
export async function preflight(site: Site, to: string): Promise<{ from: string }> {
  const from = await runningVersion(site, "api");
  if (from === undefined)
    throw new Fault(
      "The install does not run, so there is nothing to upgrade.",
      "Start it: ./signalbox compose up",
    );
  if (from === to) return { from };
  requireDirectUpgrade(from, to);
  const { services } = composeConfig(site, { SIGNALBOX_TAG: to });
  const missing = [...new Set(Object.values(services).map(({ image }) => image))].filter(
    (image) => !hasImage(image),
  );
  if (missing.length)
    throw new Fault(
      `There is no image ${missing.join(", ")} on this machine.`,
      "Make them: ./signalbox compose build; or load a bundle: docker load -i FILE; nothing was changed.",
    );
  await requireRoomForBackup(site, await requireFittingVolume(site));
  return { from };
}

export async function upgrade(site: Site, to = platformVersion()): Promise<number> {
  const { from } = await preflight(site, to);
  if (from === to) {
    say(`it is ${to} already; nothing was changed`);
    return 0;
  }
  say(`${from} can be replaced by ${to} while it runs`);
  const backup = await takeContained(site);
  say(`backup ${backup}`);
  writeWhole(
    noteOf(site),
    `${JSON.stringify({ from, to, backup, at: new Date().toISOString() }, null, 1)}\n`,
  );
  await replaceAll(site, to, true);
  rememberSetting(site, "SIGNALBOX_TAG", to);
  say(`${to} runs; back to ${from}: ./signalbox compose rollback`);
  return 0;
}

/** In the agent's container where there is one, else in one of its own. */
export async function takeContained(site: Site): Promise<string> {
  // A volume of an install that had none gets its owner by being mounted once.
  const words = ["run", "--rm", "--no-deps", "-T", "cli", "backup"];
  await composeDoes(
    "opening the volumes",
    site,
    ["run", "--rm", "--no-deps", "-T", "--entrypoint", "node", "migrate", "-e", "0"],
    {
      env: { SIGNALBOX_TAG: platformVersion() },
    },
  );
  await composeDoes("the backup", site, words);
  const [newest] = await contained<{ name: string }[]>(site, "cli", ["list"]);
  return newest!.name;
}

async function replaceAll(site: Site, to: string, withSchema: boolean): Promise<void> {
  const env = { SIGNALBOX_TAG: to };
  if (withSchema) {
    await composeDoes("the schema's migration", site, ["run", "--rm", "--no-deps", "-T", "migrate"], { env });
    say("the schema has grown; the version before runs on with it");
  }
  // Who is asked before who asks, so that nobody asks for what is not there yet.
  for (const services of [["api"], ["operator", "workers", "relay"]]) {
    await replaceBeside(site, services, env);
    say(`${services.join(", ")} ${to}`);
  }
  const doors = ["gateway", "console"];
  if (await hasEdge(site)) await replaceBehindEdge(site, doors, env);
  else
    await composeDoes("replacing the doors", site, ["up", "--detach", "--no-deps", "--wait", ...doors], {
      env,
    });
  say(`${doors.join(", ")} ${to}`);
  // What is missing yet; the stores go on as they are, as starting them anew would be noticed.
  await composeDoes("the rest", site, ["up", "--detach", "--wait", "--no-recreate"], { env });
}

/** As it is, by fresh processes: what was changed in .env counts from then on, and callers keep coming. */
export async function roll(site: Site): Promise<number> {
  const version = await runningVersion(site, "api");
  if (version === undefined)
    throw new Fault(
      "The install does not run, so there is nothing to replace.",
      "Start it: ./signalbox compose up",
    );
  await replaceAll(site, version, false);
  return 0;
}

const hasEdge = async (site: Site) => (await runningVersion(site, "edge")) !== undefined;

/** Without the schema, which the version before runs on with; its data stays as it is. */
export async function rollback(site: Site): Promise<number> {
  const last = lastUpgrade(site);
  if (!last)
    throw new Fault(
      "There was no upgrade here that could be taken back.",
      "See: ./signalbox compose backup --list",
    );
  const running = await runningVersion(site, "api");
  if (running !== last.to && running !== last.from)
    throw new Fault(
      `The last upgrade was from ${last.from} to ${last.to}, but ${running ?? "nothing"} runs.`,
      "Start it first: ./signalbox compose up; nothing was changed.",
    );
  const { services } = composeConfig(site, { SIGNALBOX_TAG: last.from });
  for (const { image } of Object.values(services))
    if (!hasImage(image))
      throw new Fault(
        `The image ${image} is not on this machine any more.`,
        "Load it again: docker load -i FILE; nothing was changed.",
      );
  await replaceAll(site, last.from, false);
  rememberSetting(site, "SIGNALBOX_TAG", last.from);
  say(`${last.from} runs again, with all data; the backup from before the upgrade is ${last.backup}`);
  return 0;
}

/** Plain `docker compose up` must start the same. */
export function rememberSetting(site: Site, name: string, value: string): void {
  const text = existsSync(site.env) ? readFileSync(site.env, "utf8") : "";
  const kept = text.split("\n").filter((line) => !line.startsWith(`${name}=`));
  while (kept.at(-1) === "") kept.pop();
  writeFileSync(site.env, `${[...kept, `${name}=${value}`].join("\n")}\n`, { mode: 0o600 });
}
