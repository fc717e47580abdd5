// Runs the steps of an install in order, keeps its processes alive, and ends them in reverse order.
import { appendFileSync, rmSync } from "node:fs";
import type { DataDir } from "../data-dir.ts";
import { writeWhole } from "../files.ts";
import { type Identity, identify } from "../process-identity.ts";
import { lastGoodStore } from "./last-good.ts";
import { logLine, rotateLog } from "./log-file.ts";
import type { Role, Step } from "./role.ts";
import { type Pace, type ProcessState, SupervisedProcess, usualPace } from "./supervised-process.ts";

export type Addresses = {
  version: string;
  commit: string;
  api: string;
  operator: string;
  console: string | null;
  postgres: string;
  redis: string;
  operatorToken: string;
};

export type RunFile = Addresses & { processes: { name: string; pid: number }[] };

export type InstallState = {
  phase: "starting" | "ready" | "stopping";
  supervisor: Identity;
  startedAt: string;
  processes: ProcessState[];
};

export type Report =
  | { kind: "begin" | "done"; name: string; ms?: number }
  | { kind: "progress"; name: string; text: string }
  | { kind: "event"; level: "info" | "warn" | "error"; text: string };

// Engines get what is left of the ten seconds after the roles had theirs.
const allRolesWithinMs = 6000;

export class Supervisor {
  readonly #dir: DataDir;
  readonly #addresses: Addresses;
  readonly #report: (report: Report) => void;
  readonly #pace: Pace;
  readonly #startedAt = new Date().toISOString();
  readonly #groups: SupervisedProcess[][] = [];
  readonly #stopping = new AbortController();
  #phase: InstallState["phase"] = "starting";
  #rotation: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  constructor(dir: DataDir, addresses: Addresses, report: (report: Report) => void, pace: Pace = usualPace) {
    this.#dir = dir;
    this.#addresses = addresses;
    this.#report = report;
    this.#pace = pace;
  }

  async start(steps: Step[]): Promise<void> {
    this.#save();
    this.#rotation = setInterval(() => this.#rotate(), 15_000);
    this.#rotation.unref();
    for (const step of steps) {
      if (this.#phase === "stopping") return;
      if (step.kind === "roles") await this.#startRoles(step.roles.map((role) => this.#supervise(role)));
      else if (step.kind === "quiet") await step.run((text) => this.say("info", text), this.#stopping.signal);
      else {
        const { name, run } = step;
        await this.#timed(name, () =>
          run((text) => this.#report({ kind: "progress", name, text }), this.#stopping.signal),
        );
      }
    }
    if (this.#phase === "stopping") return;
    this.#phase = "ready";
    this.#save();
  }

  #supervise(role: Role): SupervisedProcess {
    return new SupervisedProcess(role, {
      logPath: this.#dir.log(role.name),
      lastGood: lastGoodStore(this.#dir.lastGood),
      pace: this.#pace,
      changed: () => this.#save(),
      say: (level, text) => this.say(level, text),
    });
  }

  async #startRoles(group: SupervisedProcess[]): Promise<void> {
    this.#groups.push(group);
    await Promise.all(group.map((process) => this.#timed(process.role.name, () => process.start())));
  }

  async #timed(name: string, run: () => Promise<void>): Promise<void> {
    const began = performance.now();
    this.#report({ kind: "begin", name });
    await run();
    if (this.#phase === "stopping") return;
    const ms = performance.now() - began;
    this.#log("info", `${name} ready in ${Math.round(ms)} ms`);
    this.#report({ kind: "done", name, ms });
  }

  say(level: "info" | "warn" | "error", text: string): void {
    this.#log(level, text);
    this.#report({ kind: "event", level, text });
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#phase = "stopping";
    this.#stopping.abort();
    clearInterval(this.#rotation);
    const end = performance.now() + allRolesWithinMs;
    for (const group of this.#groups.toReversed()) {
      const left = Math.max(500, end - performance.now());
      await Promise.all(
        group.map((process) => {
          const engine = process.role.configuration === undefined;
          return process.stop(engine ? process.role.stopWithinMs : Math.min(process.role.stopWithinMs, left));
        }),
      );
    }
    rmSync(this.#dir.runFile, { force: true });
    rmSync(this.#dir.stateFile, { force: true });
    this.#log("info", "stopped");
  }

  #save(): void {
    const supervisor = identify(process.pid);
    if (!supervisor) return;
    const processes = this.#groups.flat().map(({ state }) => state);
    const state: InstallState = { phase: this.#phase, supervisor, startedAt: this.#startedAt, processes };
    try {
      writeWhole(this.#dir.stateFile, JSON.stringify(state));
      if (this.#phase !== "ready") return;
      const running = processes.flatMap(({ name, process }) => (process ? [{ name, pid: process.pid }] : []));
      const file: RunFile = {
        ...this.#addresses,
        processes: [{ name: "supervisor", pid: supervisor.pid }, ...running],
      };
      writeWhole(this.#dir.runFile, `${JSON.stringify(file, null, 2)}\n`);
    } catch (error) {
      // A full disk must not take down what runs.
      this.#report({ kind: "event", level: "error", text: `the state cannot be written: ${String(error)}` });
    }
  }

  #log(level: "info" | "warn" | "error", text: string): void {
    try {
      appendFileSync(this.#dir.log("supervisor"), logLine(level, text), { mode: 0o600 });
    } catch {
      // As above.
    }
  }

  #rotate(): void {
    for (const { role } of this.#groups.flat()) rotateLog(this.#dir.log(role.name));
    rotateLog(this.#dir.log("supervisor"));
  }
}
