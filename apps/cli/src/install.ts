// Starts one install under a supervisor in this process: folder, lock, left-overs, ports, then the plan.
import type { SignIn } from "@signalbox/control/sign-in";
import { readConfiguration } from "./configuration.ts";
import { type DataDir, dataDirAt, prepareDataDir, readSecret } from "./data-dir.ts";
import { Fault } from "./fault.ts";
import { readJson } from "./files.ts";
import { portsFrom, requireFreePorts, type Wanted } from "./ports.ts";
import { type InstallOptions, type Plan, planInstall } from "./roles.ts";
import { endLeftBehind, leftBehind } from "./supervisor/left-behind.ts";
import { releaseLock, takeLock } from "./supervisor/lock.ts";
import type { Pace } from "./supervisor/supervised-process.ts";
import { type Addresses, type Report, type RunFile, Supervisor } from "./supervisor/supervisor.ts";

export type Running = { addresses: Addresses; stop: () => Promise<void> };

export class AlreadyRunning extends Fault {
  constructor(dir: DataDir, pid: number) {
    super(
      `An install already runs in ${dir.path} (supervisor pid ${pid}).`,
      "Stop it first: ./signalbox down",
    );
  }
}

type Changes = { makePlan?: typeof planInstall; pace?: Pace; signal?: AbortSignal };

export async function startInstall(
  options: InstallOptions,
  report: (report: Report) => void,
  { makePlan = planInstall, pace, signal }: Changes = {},
): Promise<Running> {
  const dir = dataDirAt(options.dataDir);
  prepareDataDir(dir);
  const holder = takeLock(dir.lockFile);
  if (holder) throw new AlreadyRunning(dir, holder.pid);
  try {
    return await startLocked(dir, options, report, makePlan, pace, signal);
  } catch (error) {
    releaseLock(dir.lockFile);
    throw error;
  }
}

async function startLocked(
  dir: DataDir,
  options: InstallOptions,
  report: (report: Report) => void,
  makePlan: (...args: Parameters<typeof planInstall>) => Plan,
  pace: Pace | undefined,
  signal: AbortSignal | undefined,
): Promise<Running> {
  const ports = portsFrom(options.portBase);
  const configuration = readConfiguration(dir);
  const { addresses, steps } = makePlan(dir, ports, options, configuration);
  const supervisor = new Supervisor(dir, addresses, report, pace);
  const left = leftBehind(dir);
  if (left.length) {
    const names = left.map(({ name, pid }) => `${name} (pid ${pid})`).join(", ");
    supervisor.say("warn", `an earlier start left running: ${names}; ending it first`);
    await endLeftBehind(left);
  }
  await requireFreePorts(wantedPorts(options, configuration, ports));
  const stop = async () => {
    await supervisor.stop();
    releaseLock(dir.lockFile);
  };
  try {
    signal?.addEventListener("abort", () => void supervisor.stop());
    await supervisor.start(steps);
    if (signal?.aborted) throw new Fault("Stopped before it was ready.", "");
  } catch (error) {
    await stop();
    throw error;
  }
  return { addresses, stop };
}

function wantedPorts(
  options: InstallOptions,
  configuration: Record<string, string>,
  ports: ReturnType<typeof portsFrom>,
): Wanted[] {
  const { host } = options;
  const near = "127.0.0.1";
  return [
    ...(configuration.DATABASE_URL ? [] : [{ name: "Postgres", port: ports.postgres, host: near }]),
    ...(configuration.REDIS_URL ? [] : [{ name: "Redis", port: ports.redis, host: near }]),
    { name: "gateway", port: ports.gateway, host },
    { name: "operator API", port: ports.operator, host },
    { name: "workers' health", port: ports.workers, host: near },
    { name: "relay's health", port: ports.relay, host: near },
    ...(configuration.SIGNALBOX_BACKUP_DIR
      ? [{ name: "backups' health", port: ports.backup, host: near }]
      : []),
    ...(options.console ? [{ name: "console", port: ports.console, host }] : []),
  ];
}

export const readRunFile = (dir: DataDir) => readJson<RunFile>(dir.runFile);

const linkLivesMs = 60 * 60_000;

type Who = Partial<Pick<SignIn, "name" | "role">>;

// Minted anew each time it is shown; each works once, for an hour.
export const signInLink = (dir: DataDir, console: string, who?: Who) =>
  mintSignInLink(readSecret(dir.masterKey), console, who);

export async function mintSignInLink(secret: string, console: string, who: Who = {}): Promise<string> {
  const { mintSignInToken } = await import("@signalbox/control/sign-in");
  const token = mintSignInToken(secret, { ttlMs: linkLivesMs, ...who });
  return `${console}/sign-in#${token}`;
}
