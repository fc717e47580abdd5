// What one Compose install keeps beside its compose.yaml: .env for what people change, secrets/ for what is made once.
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newRecoveryKey } from "../backup/recovery-key.ts";
import { Fault } from "../fault.ts";
import { root } from "../repository.ts";

export type Site = { folder: string; env: string; secrets: string };

/** Another install on the same machine has a copy of compose/ of its own. */
export function siteAt(folder = process.env.SIGNALBOX_SITE ?? join(root, "compose")): Site {
  return {
    folder,
    env: join(folder, ".env"),
    secrets: join(folder, "secrets"),
  };
}

const random = () => randomBytes(32).toString("base64url");

const secrets: Record<string, () => string> = {
  postgres_password: random,
  redis_password: random,
  secret: random,
  operator_token: () => `sbo_${random()}`,
  recovery_key: newRecoveryKey,
  // Of the S3 server of the profile `objects`; for one elsewhere people write what it gave them.
  s3_secret_key: random,
};
export const secretNames = Object.keys(secrets);

/** What examples and hurried people write where a secret belongs. */
const placeholder =
  /^(change[-_ ]?me.*|secret|password|postgres|admin|signalbox|example|todo|xxx+|<.*>|\$\{.*\})$/i;
const shortest = 16;

/** Makes what is missing and changes nothing that is there; gives the names of what it made. */
export function initSite(site: Site): string[] {
  const made: string[] = [];
  // In a folder that its owner alone may enter; the files themselves are read by the user inside of the containers.
  mkdirSync(site.secrets, { recursive: true, mode: 0o700 });
  chmodSync(site.secrets, 0o700);
  for (const [name, make] of Object.entries(secrets)) {
    const path = join(site.secrets, name);
    if (existsSync(path)) {
      requireRealSecret(path);
      continue;
    }
    writeFileSync(path, make(), { flag: "wx", mode: 0o444 });
    made.push(`secrets/${name}`);
  }
  if (!existsSync(site.env)) {
    writeFileSync(site.env, readFileSync(join(root, "compose/env.example"), "utf8"), {
      flag: "wx",
      mode: 0o600,
    });
    made.push(".env");
  }
  return made;
}

export const isInitialised = (site: Site) => existsSync(site.env) && existsSync(join(site.secrets, "secret"));

/** Keys that came with a backup; those that are there must be the same. */
export function placeSecrets(site: Site, keys: Record<string, string>): void {
  mkdirSync(site.secrets, { recursive: true, mode: 0o700 });
  const given = Object.keys(secrets).filter((name) => keys[name] !== undefined);
  for (const name of given) {
    const path = join(site.secrets, name);
    if (existsSync(path) && readFileSync(path, "utf8").replace(/\r?\n$/, "") !== keys[name])
      throw new Fault(
        `${path} is another secret than the backup's.`,
        "Move compose/secrets away: the backup brings its own; nothing was changed.",
      );
  }
  for (const name of given)
    if (!existsSync(join(site.secrets, name)))
      writeFileSync(join(site.secrets, name), keys[name]!, { flag: "wx", mode: 0o444 });
  initSite(site);
}

function requireRealSecret(path: string): void {
  const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
  const why =
    text === ""
      ? "is empty"
      : placeholder.test(text)
        ? "holds a placeholder"
        : text.length < shortest
          ? `is shorter than ${shortest} characters`
          : undefined;
  if (why)
    throw new Fault(
      `The secret ${path} ${why}.`,
      "Write a real one, or delete the file and type: ./signalbox compose init",
    );
}
