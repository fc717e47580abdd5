// up: starts everything on this machine, in the foreground or detached.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Command, dataDirOption, wholeNumber } from "../command.ts";
import { chosenDataDir, type DataDir, prepareDataDir } from "../data-dir.ts";
import { Fault } from "../fault.ts";
import { AlreadyRunning, readRunFile, signInLink, startInstall } from "../install.ts";
import { largestPortBase } from "../ports.ts";
import { platformVersion, root } from "../repository.ts";
import { hasConsole, type InstallOptions } from "../roles.ts";
import { addressLines, createScreen } from "../screen.ts";
import type { Word } from "../supervise.ts";
import { lockHolder } from "../supervisor/lock.ts";
import { closeLog, openLog } from "../supervisor/log-file.ts";
import type { Addresses } from "../supervisor/supervisor.ts";

export const command: Command = {
  name: "up",
  usage: "up [--detach] [--data-dir DIR] [--port-base N] [--no-console] [--host ADDRESS] [--watch]",
  text: `Starts everything on this machine and stays in the foreground; Ctrl-C stops it in order.
Configuration: the environment wins over <data-dir>/config.env, which wins over .env beside this command.
DATABASE_URL or REDIS_URL set: nothing embedded starts in its place.`,
  words: 0,
  options: {
    detach: { type: "boolean", short: "d", text: "return once everything is ready, and keep running" },
    ...dataDirOption,
    "port-base": {
      type: "string",
      value: "N",
      text: "shift every port by N, so that two installs share a machine",
    },
    "no-console": { type: "boolean", text: "leave the operators' console out" },
    host: { type: "string", value: "ADDRESS", text: "listen there instead of on 127.0.0.1" },
    watch: { type: "boolean", text: "reload on change" },
  },
  async run(values) {
    const dir = chosenDataDir(values);
    const options: InstallOptions = {
      dataDir: dir.path,
      portBase: wholeNumber(values, "port-base", 0, largestPortBase),
      host: String(values.host ?? process.env.SIGNALBOX_HOST ?? "127.0.0.1"),
      console: !values["no-console"] && hasConsole(),
      watch: values.watch === true,
    };
    return values.detach ? detach(dir, options) : foreground(dir, options);
  },
};

async function foreground(dir: DataDir, options: InstallOptions): Promise<number> {
  const stopping = new AbortController();
  let stop: (() => Promise<void>) | undefined;
  let stopped: () => void = () => {};
  const over = new Promise<void>((resolve) => (stopped = resolve));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      if (stopping.signal.aborted) return;
      console.log("\n  stopping");
      stopping.abort();
      stop?.().then(stopped);
    });
  console.log(`Signalbox ${platformVersion()} starts in ${dir.path}`);
  try {
    const running = await startInstall(options, createScreen(), { signal: stopping.signal });
    stop = running.stop;
    await summary(dir, running.addresses);
    console.log("\n  Ctrl-C stops it.");
    await over;
    console.log("  stopped");
    process.exit(0);
  } catch (error) {
    if (error instanceof AlreadyRunning) await alreadyRuns(dir);
    if (stopping.signal.aborted) process.exit(130);
    throw error;
  }
}

async function detach(dir: DataDir, options: InstallOptions): Promise<number> {
  if (lockHolder(dir.lockFile)) return joinRunning(dir);
  prepareDataDir(dir);
  mkdirSync(dir.logs, { recursive: true });
  const log = openLog(dir.log("supervisor"));
  // Its own session and no stream of ours: the caller's pipes close when we return.
  const child = spawn(
    process.execPath,
    [
      "--max-semi-space-size=1",
      "--max-old-space-size=128",
      join(root, "apps/cli/src/supervise.ts"),
      JSON.stringify(options),
    ],
    { cwd: root, detached: true, stdio: ["ignore", log, log, "ipc"] },
  );
  closeLog(log);
  console.log(`Signalbox ${platformVersion()} starts in ${dir.path}`);
  const giveUp = () => child.connected && child.send("stop");
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, giveUp);
  const screen = createScreen();
  const word = await new Promise<Word>((resolve) => {
    child.on("message", (message) => {
      const heard = message as Word;
      if (heard.kind === "report") screen(heard.report);
      else resolve(heard);
    });
    child.once("exit", (code, signal) =>
      resolve({
        kind: "fault",
        message: `The supervisor ended (${signal ?? `exit ${code}`}).`,
        mend: "See: ./signalbox logs supervisor",
      }),
    );
  });
  if (child.connected) child.disconnect();
  child.unref();
  if (word.kind === "already") return joinRunning(dir);
  if (word.kind === "fault") throw new Fault(word.message, word.mend);
  if (word.kind === "ready") await summary(dir, word.addresses);
  return 0;
}

// It runs already, or another `up` is starting it just now.
async function joinRunning(dir: DataDir): Promise<number> {
  let told = false;
  for (;;) {
    const holder = lockHolder(dir.lockFile);
    if (!holder)
      throw new Fault("The other start ended before it was ready.", "See: ./signalbox logs supervisor");
    if (readRunFile(dir)?.processes[0]?.pid === holder.pid) break;
    if (!told) console.log(`Another start is under way in ${dir.path} (pid ${holder.pid}): waiting for it`);
    told = true;
    await pause(200);
  }
  await alreadyRuns(dir);
  return 0;
}

async function alreadyRuns(dir: DataDir): Promise<void> {
  const run = readRunFile(dir);
  if (!run) return;
  console.log(
    `Signalbox ${run.version} runs already in ${dir.path}, and stays at its addresses; to move it, type ./signalbox down first`,
  );
  await summary(dir, run);
}

async function summary(dir: DataDir, addresses: Addresses): Promise<void> {
  const link = addresses.console ? await signInLink(dir, addresses.console) : undefined;
  console.log(`\n${addressLines(addresses, link)}`);
}
