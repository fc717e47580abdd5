// compose: an install in containers, with its secrets made once; what it does not know itself goes to Docker Compose.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, commandHelp } from "../command.ts";
import {
  buildImage,
  compose,
  composeConfig,
  hasImage,
  lastWords,
  requireDocker,
  runningServices,
} from "../compose/docker.ts";
import { initSite, isInitialised, type Site, siteAt } from "../compose/site.ts";
import { Fault } from "../fault.ts";
import { mintSignInLink } from "../install.ts";
import { holderOf, isFree } from "../ports.ts";
import { platformVersion } from "../repository.ts";
import { dim, green } from "../screen.ts";

export const command: Command = {
  name: "compose",
  usage: "compose init | build | up | link | doctor | WORDS FOR DOCKER COMPOSE",
  text: `An install in containers, from compose/compose.yaml.
  init     makes compose/.env and compose/secrets/, once; what is there stays as it is
  build    makes both images from this checkout
  up       init, starts everything, waits until it is healthy, prints where it is
  link     prints a new one-time sign-in link for the first operator
  doctor   checks Docker, ports, images and secrets, and changes nothing
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
    if (!isInitialised(site)) throw notInitialised;
    if (verb === "link") return link(site);
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
  init(site);
  requireImages(site);
  const code = await compose(site, ["up", "--detach", "--wait", ...rest]);
  if (code !== 0) {
    if (/password authentication failed/.test(lastWords(site, "migrate")))
      throw new Fault(
        "The database was made with another password than the one in compose/secrets/postgres_password.",
        "Put the old file back from a backup; nothing was changed.",
      );
    throw new Fault(
      "The install is not up.",
      "See which one: ./signalbox compose ps --all, and why: ./signalbox compose logs NAME",
    );
  }
  const { gateway, console: shown } = composeConfig(site).services;
  console.log(`\n  gateway   ${addressOf(gateway)}`);
  console.log(`  console   ${addressOf(shown)}`);
  return link(site);
}

function requireImages(site: Site): void {
  const missing = Object.values(composeConfig(site).services)
    .map(({ image }) => image)
    .filter((image) => image.startsWith("signalbox/") && !hasImage(image));
  if (missing.length)
    throw new Fault(
      `There is no image ${[...new Set(missing)].join(", ")} on this machine.`,
      "Make them from this checkout: ./signalbox compose build; or load those of a bundle: docker load -i FILE",
    );
}

type Service = ReturnType<typeof composeConfig>["services"][string];

function addressOf(service: Service | undefined): string {
  const [port] = service?.ports ?? [];
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
  const { engine, compose: version } = requireDocker();
  console.log(`  ${green("✓")} Docker ${engine}, Compose ${version}`);
  if (!isInitialised(site)) throw notInitialised;
  // Refuses a placeholder; makes nothing, as everything is there.
  initSite(site);
  console.log(`  ${green("✓")} secrets`);
  requireImages(site);
  console.log(`  ${green("✓")} images`);
  const { services } = composeConfig(site);
  const running = runningServices(site);
  for (const [name, { ports = [] }] of Object.entries(services))
    for (const { host_ip = "127.0.0.1", published } of ports) {
      const port = Number(published);
      if (!running.includes(name) && !(await isFree(port, host_ip)))
        throw new Fault(
          `Port ${port}, which ${name} is to have, is taken by ${holderOf(port)}.`,
          `Stop what holds it, or set another in compose/.env: SIGNALBOX_${name.toUpperCase()}_PORT`,
        );
    }
  console.log(`  ${green("✓")} ports`);
  return 0;
}
