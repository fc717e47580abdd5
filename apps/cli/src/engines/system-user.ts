// Postgres refuses to run as root, so root runs the engines as a system user of their own.
import { execFileSync } from "node:child_process";
import { chownSync, readFileSync } from "node:fs";
import { Fault } from "../fault.ts";

export type SystemUser = { uid: number; gid: number };

const preferred = "signalbox";

// Undefined for an ordinary user: the engines then run as that user.
export function engineUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const existing = lookUp(preferred);
  if (existing) return existing;
  try {
    execFileSync(
      "useradd",
      ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", preferred],
      {
        stdio: "ignore",
        env: { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` },
      },
    );
  } catch {
    // No useradd, or /etc is read-only: a user that is already there does as well.
  }
  const user = lookUp(preferred) ?? lookUp("postgres") ?? lookUp("nobody");
  if (user) return user;
  throw new Fault(
    "Postgres does not run as root, and no system user could be made.",
    "Type: useradd --system signalbox",
  );
}

function lookUp(name: string): SystemUser | undefined {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((row) => row.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  return uid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

export function giveTo(user: SystemUser | undefined, path: string): void {
  if (user) chownSync(path, user.uid, user.gid);
}
