// Moves the database of a Compose install to a newer major version of Postgres: both run beside each other for as long as it takes to
// copy everything as SQL and to compare every table. Nobody writes meanwhile; what was there stays in the volume.
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../fault.ts";
import { green } from "../screen.ts";
import { contained } from "./contained.ts";
import { composeConfig, composeDoes, docker, dockerDoes, hasImage, runningServices } from "./docker.ts";
import { type Look, requireFittingVolume } from "./preflight.ts";
import type { Site } from "./site.ts";
import { containersOf } from "./stack.ts";
import { rememberSetting, takeContained } from "./upgrade.ts";

const unchanged = "nothing was changed";
const writers = ["gateway", "console", "api", "operator", "workers", "relay", "backup"];
const say = (text: string) => console.log(`  ${green("✓")} ${text}`);
const majorOf = (image: string) => Number(/:(\d+)/.exec(image)?.[1]);

async function requireMovable(site: Site, image: string): Promise<{ from: number; to: number }> {
  const [from, to] = [majorOf(composeConfig(site).services.postgres?.image ?? ""), majorOf(image)];
  if (!(to > from))
    throw new Fault(
      `From Postgres ${from} there is no move to ${image}.`,
      `Name an image whose tag begins with a later major version; ${unchanged}.`,
    );
  const running = runningServices(site);
  if (!["postgres", "api"].every((name) => running.includes(name)))
    throw new Fault("The install does not run.", `Start it: ./signalbox compose up; ${unchanged}.`);
  if (!hasImage(image) && docker(["pull", "--quiet", image], 600_000) === undefined)
    throw new Fault(`There is no image ${image}.`, `Load it: docker load -i FILE; ${unchanged}.`);
  const { versions, bytes, free }: Look = await requireFittingVolume(site);
  if (versions.includes(String(to)))
    throw new Fault(
      `The volume holds a database of Postgres ${to} already.`,
      `Move the folder ${to} in it away; ${unchanged}.`,
    );
  if (free < 2 * bytes)
    throw new Fault(
      `A second database needs about ${Math.round(bytes / 1e6)} MB and as much of log, and ${Math.round(free / 1e6)} MB are free.`,
      `Free some space; ${unchanged}.`,
    );
  return { from, to };
}

export async function movePostgres(site: Site, image: string | undefined): Promise<number> {
  if (image === undefined)
    throw new Fault(
      "Which Postgres is to come is not said.",
      "Type: ./signalbox compose move-postgres postgres:19-bookworm",
    );
  const { from, to } = await requireMovable(site, image);
  say(`Postgres ${from} can become ${to}`);
  say(`backup ${await takeContained(site)}`);
  const next = `${composeConfig(site).name}-postgres-${to}`;
  const [old] = await containersOf(site, "postgres");
  const stopped = writers.filter((name) => runningServices(site).includes(name));
  const toNext = async (act: () => Promise<void>) => {
    try {
      await act();
    } finally {
      docker(["stop", "--time", "60", next], 90_000);
      docker(["rm", "--force", "--volumes", next]);
    }
  };
  await composeDoes("stopping who writes", site, ["stop", "--timeout", "30", ...stopped]);
  say("nobody writes");
  try {
    await toNext(async () => {
      const words = ["run", "--detach", "--no-deps", "--name", next, "postgres"];
      await composeDoes(`starting Postgres ${to}`, site, words, { env: { SIGNALBOX_POSTGRES_IMAGE: image } });
      await untilReady(old!, next);
      // By its id: Compose takes the new one for a container of the same service.
      dockerDoes("copying", ["exec", old!, "sh", "-c", copy, "copy", next]);
      const { faults, rows, tables } = await contained<Compared>(site, "cli", ["compare", next]);
      if (faults.length) throw new Fault(`The copy is another: ${faults.join("; ")}.`, "");
      say(`${rows.toLocaleString("en")} rows in ${tables} tables are the same`);
    });
  } catch (error) {
    await contained(site, "restore", ["drop", String(to)]);
    await composeDoes("starting who was stopped", site, ["start", ...stopped]);
    throw error;
  }
  rememberSetting(site, "SIGNALBOX_POSTGRES_IMAGE", image);
  await composeDoes(`everything on Postgres ${to}`, site, ["up", "--detach", "--wait"]);
  say(`Postgres ${to} runs; the database of ${from} lies in the volume until you remove it`);
  return 0;
}

type Compared = { faults: string[]; rows: number; tables: number };

// One transaction: what a dump that broke off is followed by is no SQL, and takes all of it back.
const copy = `PGPASSWORD="$(cat /run/secrets/postgres_password)"; export PGPASSWORD
{ pg_dump -U signalbox --no-owner signalbox || echo 'the dump broke off;'; } |
  psql -h "$1" -U signalbox -d signalbox --single-transaction --quiet --output=/dev/null --set=ON_ERROR_STOP=1`;

/** Asked from beside it: while it is being made it may answer itself already. */
async function untilReady(old: string, name: string): Promise<void> {
  for (let left = 240; left > 0; left -= 1) {
    const ready = ["exec", old, "pg_isready", "-q", "-h", name, "-U", "signalbox", "-d", "signalbox"];
    if (docker(ready) !== undefined) return;
    if (docker(["inspect", "--format", "{{.State.Running}}", name]) !== "true") break;
    await pause(500);
  }
  const said = (docker(["logs", "--tail", "3", name]) ?? "").replaceAll("\n", " ").slice(0, 300);
  throw new Fault(`The new Postgres does not get ready: ${said}`, "The old one is as it was.");
}
