// Which port each part listens on, and who holds one that is already taken.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { Fault } from "./fault.ts";
import { commandLine } from "./process-identity.ts";

export type Ports = {
  gateway: number;
  operator: number;
  workers: number;
  relay: number;
  backup: number;
  console: number;
  postgres: number;
  redis: number;
};

const defaults: Ports = {
  gateway: 8080,
  operator: 8081,
  workers: 8082,
  relay: 8083,
  backup: 8084,
  console: 3000,
  postgres: 8432,
  redis: 8379,
};

export const largestPortBase = 65_535 - Math.max(...Object.values(defaults));

export function portsFrom(base: number): Ports {
  const shifted = Object.entries(defaults).map(([name, port]) => [name, port + base]);
  return Object.fromEntries(shifted) as Ports;
}

export type Wanted = { name: string; port: number; host: string };

export async function requireFreePorts(wanted: Wanted[]): Promise<void> {
  const taken: Wanted[] = [];
  for (const entry of wanted) if (!(await isFree(entry.port, entry.host))) taken.push(entry);
  if (!taken.length) return;
  const list = taken.map(({ name, port }) => `${port} (${name}) is taken by ${holderOf(port)}`).join("; ");
  throw new Fault(
    `Port ${list}.`,
    "Stop that process, or shift all ports: ./signalbox up --port-base 1000 --data-dir DIR",
  );
}

export function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND")
        reject(new Fault(`This machine has no address ${host}.`, "Give --host one of its own, or 0.0.0.0."));
      else if (error.code === "EACCES")
        reject(new Fault(`Port ${port} may only be opened by root.`, "Choose another --port-base."));
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

export function holderOf(port: number): string {
  const pid = process.platform === "linux" ? listenerOnLinux(port) : listenerByLsof(port);
  if (typeof pid === "string") return pid;
  if (pid === undefined) return "another process";
  const command = commandLine(pid);
  return `${command.length > 80 ? `${command.slice(0, 77)}...` : command || "a process"} (pid ${pid})`;
}

function listenerOnLinux(port: number): number | string | undefined {
  const sockets = new Map<string, string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    try {
      for (const line of readFileSync(table, "utf8").split("\n").slice(1)) {
        const [, local, , state, , , , uid, , inode] = line.trim().split(/\s+/);
        if (state === "0A" && Number.parseInt(local!.split(":")[1]!, 16) === port) sockets.set(inode!, uid!);
      }
    } catch {
      // No IPv6, or no /proc.
    }
  }
  if (!sockets.size) return undefined;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      for (const fd of readdirSync(`/proc/${entry}/fd`)) {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${entry}/fd/${fd}`))?.[1];
        if (inode && sockets.has(inode)) return Number(entry);
      }
    } catch {
      // Another user's process, or gone.
    }
  }
  return `a process of user ${[...sockets.values()][0]}`;
}

function listenerByLsof(port: number): number | undefined {
  try {
    const pid = execFileSync("lsof", ["-t", `-iTCP:${port}`, "-sTCP:LISTEN"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return Number(pid.split("\n")[0]) || undefined;
  } catch {
    return undefined;
  }
}
