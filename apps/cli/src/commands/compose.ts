// compose: an install in containers, with its secrets made once; what it does not know itself goes to Docker Compose.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { type Command, commandHelp } from "../command.ts";
import {
  buildImage,
  compose,
  composeConfig,
  docker,
  hasImage,
  lastWords,
  requireDocker,
} from "../compose/docker.ts";
import { movePostgres } from "../compose/move-postgres.ts";
import { requireKeptSecrets, requireStartable } from "../compose/preflight.ts";
import { fetchBackup, type RestoreWords, restore } from "../compose/restore.ts";
import { initSite, isInitialised, type Site, siteAt } from "../compose/site.ts";
import { preflight, roll, rollback, takeContained, upgrade } from "../compose/upgrade.ts";
import { Fault } from "../fault.ts";
import { mintSignInLink } from "../install.ts";
import { platformVersion } from "../repository.ts";
import { dim, green } from "../screen.ts";

export const command: Command = {
  name: "compose",
  usage:
    "compose init | build | up | upgrade | rollback | roll | move-postgres | backup | restore | bundle | link | doctor | WORDS FOR DOCKER COMPOSE",
  text: `An install in containers, from compose/compose.yaml.
  init     makes compose/.env and compose/secrets/, once; what is there stays as it is
  build    makes both images from this checkout
  up       init, starts everything, waits until it is healthy, prints where it is
  upgrade  replaces what runs by this version, one process after the other, while callers keep coming; a backup first
           (--check: only says whether it would)
  rollback back to the version before, with all data
  roll     replaces what runs by fresh processes of the same version, such as after a change in .env, while callers keep coming
  move-postgres IMAGE: to a newer major version of Postgres, with a backup first; nobody writes meanwhile
  backup   takes one now; [--to DIR] copies it out of its volume, [--list] shows which there are
           NAME --to DIR: copies one that is there, and takes none
  restore  [FILE] [--at INSTANT | --latest] [--passphrase-file FILE]: to empty volumes; newest without FILE
           --drill: in a project of its own that is gone afterwards
  bundle   FILE: all images in one file, for a machine without a registry: docker load -i FILE
  link     prints a new one-time sign-in link for the first operator
  doctor   checks Docker, ports, images, secrets and the database's volume, and changes nothing
Anything else is Docker Compose's own: ps, logs, stop, down, run --rm cli audit verify`,
  options: {},
  async run(_values, [verb, ...rest]) {
    const site = siteAt();
    if (verb === undefined) {
      console.log(commandHelp(command));
      return 0;
    }
    if (verb === "init") return init(site);
    requireDocker();
    if (verb === "build") return build();
    if (verb === "doctor") return doctor(site);
    if (verb === "up") return up(site, rest);
    if (verb === "restore") return restore(site, restoreWords(rest));
    if (!isInitialised(site)) throw notInitialised;
    // A newer version may keep secrets that this install has none of yet.
    initSite(site);
    if (verb === "link") return link(site);
    if (verb === "upgrade") return upgradeSite(site, rest);
    if (verb === "rollback") return rollback(site);
    if (verb === "roll") return roll(site);
    if (verb === "move-postgres") return movePostgres(site, rest[0]);
    if (verb === "backup") return backup(site, rest);
    if (verb === "bundle") return bundle(site, rest);
    return compose(site, [verb, ...rest]);
  },
};

const notInitialised = new Fault("This install has no secrets yet.", "Type: ./signalbox compose init");

function init(site: Site): number {
  const made = initSite(site);
  for (const name of made) console.log(`  ${green("✓")} made compose/${name}`);
  if (!made.length) console.log("  everything is there already; nothing was changed");
  return 0;
}

async function build(): Promise<number> {
  for (const target of ["server", "console"]) {
    const code = await buildImage(target, `signalbox/${target}:${platformVersion()}`);
    if (code !== 0) return code;
  }
  return 0;
}

async function up(site: Site, rest: string[]): Promise<number> {
  requireKeptSecrets(site);
  init(site);
  await requireStartable(site);
  const code = await compose(site, ["up", "--detach", "--wait", ...rest]);
  if (code !== 0) {
    if (/refused user "signalbox"|password authentication failed/.test(lastWords(site, "migrate")))
      throw new Fault(
        "The database was made with another password than the one in compose/secrets/postgres_password.",
        "Put the old file back from a backup; nothing was changed.",
      );
    throw new Fault(
      "The install is not up.",
      "See which one: ./signalbox compose ps --all, and why: ./signalbox compose logs NAME",
    );
  }
  const { edge } = composeConfig(site).services;
  console.log(`\n  gateway   ${addressOf(edge, 8080)}`);
  console.log(`  console   ${addressOf(edge, 3000)}`);
  return link(site);
}

async function upgradeSite(site: Site, rest: string[]): Promise<number> {
  const { values } = parseWords(rest, { check: { type: "boolean" } });
  if (!values.check) return upgrade(site);
  const { from } = await preflight(site, platformVersion());
  console.log(`  ${green("✓")} ${from} can be replaced by ${platformVersion()}; nothing was changed`);
  return 0;
}

async function backup(site: Site, rest: string[]): Promise<number> {
  const { values, positionals } = parseWords(rest, { to: { type: "string" }, list: { type: "boolean" } });
  if (values.list) return compose(site, ["run", "--rm", "--no-deps", "-T", "cli", "backup", "--list"]);
  const [given] = positionals;
  if (given && !values.to)
    throw new Fault(
      `Where ${given} is to be copied to is not said.`,
      "Type: ./signalbox compose backup NAME --to DIR",
    );
  const name = given ?? (await takeContained(site));
  if (!given) console.log(`  ${green("✓")} ${name}`);
  if (!values.to) return 0;
  const folder = resolve(String(values.to));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await fetchBackup(site, name, join(folder, name));
  console.log(`  ${green("✓")} ${join(folder, name)}`);
  return 0;
}

function restoreWords(rest: string[]): RestoreWords {
  const { values, positionals } = parseWords(rest, {
    drill: { type: "boolean" },
    latest: { type: "boolean" },
    at: { type: "string" },
    "passphrase-file": { type: "string" },
  });
  const at = values.at === undefined ? undefined : new Date(String(values.at));
  if (at && Number.isNaN(at.getTime()))
    throw new Fault(`--at ${String(values.at)} is not an instant.`, "Write it so: --at 2026-11-21T12:00:00Z");
  return {
    ...(positionals[0] !== undefined && { file: positionals[0] }),
    until: at?.toISOString() ?? (values.latest ? "latest" : "backup"),
    ...(values["passphrase-file"] !== undefined && { passphraseFile: String(values["passphrase-file"]) }),
    isDrill: values.drill === true,
  };
}

function parseWords(args: string[], options: NonNullable<ParseArgsConfig["options"]>) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new Fault(`${(error as Error).message.split(". ")[0]}.`, "See: ./signalbox compose --help");
  }
}

/** All images by what they hold, so that a machine without a registry runs exactly these. */
async function bundle(site: Site, [file]: string[]): Promise<number> {
  if (!file) throw new Fault("A bundle needs a file to go to.", "Type: ./signalbox compose bundle FILE");
  const images = [...new Set(Object.values(composeConfig(site).services).map(({ image }) => image))].sort();
  const missing = images.filter((image) => !hasImage(image));
  if (missing.length)
    throw new Fault(`There is no image ${missing.join(", ")} on this machine.`, "Pull or build it first.");
  const path = resolve(file);
  if (docker(["save", "--output", path, ...images], 600_000) === undefined)
    throw new Fault(`The images could not be written to ${path}.`, "Is there room for them?");
  const list = images.map((image) => ({
    image,
    id: docker(["image", "inspect", "--format", "{{.Id}}", image]),
  }));
  writeFileSync(`${path}.json`, `${JSON.stringify({ version: platformVersion(), images: list }, null, 1)}\n`);
  console.log(`  ${green("✓")} ${images.length} images in ${path}, listed in ${path}.json`);
  console.log(dim(`    there: docker load -i ${file}; then ./signalbox compose up`));
  return 0;
}

type Service = ReturnType<typeof composeConfig>["services"][string];

function addressOf(service: Service | undefined, target: number): string {
  const port = service?.ports?.find((each) => each.target === target);
  return port ? `http://${port.host_ip ?? "127.0.0.1"}:${port.published}` : "not published";
}

async function link(site: Site): Promise<number> {
  const secret = readFileSync(join(site.secrets, "secret"), "utf8").trim();
  const at = composeConfig(site).services.gateway?.environment?.SIGNALBOX_CONSOLE_URL;
  console.log(`  sign in   ${await mintSignInLink(secret, at ?? "http://127.0.0.1:3000")}`);
  console.log(dim("            works once, for an hour; another one: ./signalbox compose link"));
  return 0;
}

async function doctor(site: Site): Promise<number> {
  await requireStartable(site, (text) => console.log(`  ${green("✓")} ${text}`));
  return 0;
}
