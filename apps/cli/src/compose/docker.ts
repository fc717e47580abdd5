// The Docker that is here: whether it will do, and Compose run in a site's folder.
import { spawn, spawnSync } from "node:child_process";
import { Fault } from "../fault.ts";
import { root } from "../repository.ts";
import type { Site } from "./site.ts";

const oldestCompose = [2, 24];

export function requireDocker(): { engine: string; compose: string } {
  const engine = ask(["version", "--format", "{{.Server.Version}}"]);
  if (engine === undefined)
    throw new Fault(
      "No Docker engine answers.",
      "Install and start one (https://docs.docker.com/engine/install), or set DOCKER_HOST to where it is.",
    );
  const compose = ask(["compose", "version", "--short"]);
  if (compose === undefined)
    throw new Fault(
      "This Docker has no Compose.",
      "Install its plugin: apt-get install docker-compose-plugin (Docker's packages) or docker-compose-v2 (Ubuntu's).",
    );
  if (isOlder(compose)) {
    const wanted = oldestCompose.join(".");
    throw new Fault(`Compose ${compose} is too old: ${wanted} or later is needed.`, "Update Docker Compose.");
  }
  return { engine, compose };
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  return major < oldestCompose[0]! || (major === oldestCompose[0] && minor < oldestCompose[1]!);
}

function ask(words: string[]): string | undefined {
  const { status, stdout } = spawnSync("docker", words, { encoding: "utf8", timeout: 15_000 });
  return status === 0 && stdout.trim() ? stdout.trim() : undefined;
}

/** Gives Compose's own exit status; its words go to the caller's screen. */
export const compose = (site: Site, words: string[]): Promise<number> => show([...composeAt(site), ...words]);

export function buildImage(target: string, tag: string): Promise<number> {
  // Where a company's proxy signs anew, its certificate is needed to fetch packages.
  const ca = process.env.NODE_EXTRA_CA_CERTS;
  const more = ca ? ["--secret", `id=ca,src=${ca}`] : [];
  const version = tag.slice(tag.lastIndexOf(":") + 1);
  return show(["build", "--target", target, "-t", tag, "--build-arg", `VERSION=${version}`, ...more, root]);
}

function show(words: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, DOCKER_BUILDKIT: "1" };
    const child = spawn("docker", words, { stdio: "inherit", env });
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

const composeAt = ({ folder, file }: Site) => ["compose", "--project-directory", folder, "-f", file];

/** What Compose would run, after .env and the environment. */
export function composeConfig(site: Site): ComposeConfig {
  const words = [...composeAt(site), "config", "--format", "json"];
  const { status, stdout, stderr } = spawnSync("docker", words, { encoding: "utf8" });
  if (status !== 0) throw new Fault(`compose.yaml can not be read: ${stderr.trim()}.`, "Check compose/.env.");
  return JSON.parse(stdout) as ComposeConfig;
}

export const runningServices = (site: Site): string[] =>
  (ask([...composeAt(site), "ps", "--services"]) ?? "").split("\n");

export const lastWords = (site: Site, service: string): string =>
  ask([...composeAt(site), "logs", "--no-log-prefix", "--tail", "20", service]) ?? "";

type ComposeConfig = {
  services: Record<
    string,
    {
      image: string;
      environment?: Record<string, string>;
      ports?: { host_ip?: string; published?: string; target: number }[];
    }
  >;
};

export const hasImage = (image: string) =>
  ask(["image", "inspect", "--format", "{{.Id}}", image]) !== undefined;
