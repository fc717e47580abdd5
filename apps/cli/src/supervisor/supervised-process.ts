// Keeps one role running: starts it, waits until it is ready, starts it again with growing pauses when it ends.
import { type ChildProcess, spawn } from "node:child_process";
import type { Configuration } from "../configuration.ts";
import { Fault, toFault } from "../fault.ts";
import { type Identity, identify, isAlive, sendSignal, waitUntilGone } from "../process-identity.ts";
import { changedNames, type LastGood } from "./last-good.ts";
import { lastWords } from "./last-words.ts";
import { closeLog, openLog } from "./log-file.ts";
import type { Role } from "./role.ts";

export type ProcessState = {
  name: string;
  state: "starting" | "ready" | "waiting" | "stopping" | "stopped";
  process?: Identity;
  since: string;
  restarts: number;
  note?: string;
};

export type Pace = { firstPauseMs: number; longestPauseMs: number; healthyAfterMs: number; attempts: number };
export const usualPace: Pace = {
  firstPauseMs: 200,
  longestPauseMs: 10_000,
  healthyAfterMs: 30_000,
  attempts: 3,
};

type Surroundings = {
  logPath: string;
  lastGood: LastGood;
  pace: Pace;
  changed: () => void;
  say: (level: "info" | "warn" | "error", text: string) => void;
};

const waiting = "answers, and waits for what it needs";

type Ending = { code: number | null; signal: NodeJS.Signals | null };

export class SupervisedProcess {
  readonly state: ProcessState;
  readonly role: Role;
  readonly #with: Surroundings;
  #child: ChildProcess | undefined;
  #ended: Promise<Ending> | undefined;
  #stopping = false;
  #wake: (() => void) | undefined;

  constructor(role: Role, surroundings: Surroundings) {
    this.role = role;
    this.#with = surroundings;
    this.state = { name: role.name, state: "stopped", since: new Date().toISOString(), restarts: 0 };
  }

  // Resolves once it is ready for the first time; from then on it is kept running until `stop`.
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#keep(resolve).then(resolve, (error) => reject(toFault(error)));
    });
  }

  async #keep(onReady: () => void): Promise<void> {
    const { pace, lastGood, say } = this.#with;
    const { name } = this.role;
    let configuration = this.role.configuration ?? {};
    let pause = pace.firstPauseMs;
    let failures = 0;
    let everReady = false;
    let fellBack = false;
    while (!this.#stopping) {
      const ended = this.#launch(configuration);
      const failure = await this.#becomeReady(ended, everReady && this.#isProven(configuration));
      if (this.#stopping) break;
      if (failure === undefined) {
        const readyAt = performance.now();
        failures = 0;
        everReady = true;
        this.#set("ready");
        if (this.role.configuration && !fellBack) lastGood.keep(name, configuration);
        onReady();
        const { code, signal } = await ended;
        if (this.#stopping) break;
        if (performance.now() - readyAt >= pace.healthyAfterMs) pause = pace.firstPauseMs;
        say("warn", `${name} ended (${signal ?? `exit ${code}`}); starting it again in ${seconds(pause)}`);
      } else {
        failures++;
        await this.#end("SIGKILL", 2000);
        const good = this.role.configuration ? lastGood.read(name) : undefined;
        const changed = good ? changedNames(good, configuration) : [];
        if (failures >= pace.attempts && good && changed.length && !fellBack) {
          fellBack = true;
          failures = 0;
          configuration = good;
          pause = pace.firstPauseMs;
          this.state.note = `runs on its last good configuration; changed since: ${changed.join(", ")}`;
          say("warn", `${name} failed ${pace.attempts} times: ${failure}`);
          say(
            "warn",
            `${name} falls back to its last good configuration (changed since: ${changed.join(", ")})`,
          );
        } else if (failures >= pace.attempts && !everReady) {
          this.#set("stopped");
          throw new Fault(
            `${name} did not become ready: ${failure}.`.replace("..", "."),
            `See: ./signalbox logs ${name}`,
          );
        } else say("warn", `${name} is not ready: ${failure}; trying again in ${seconds(pause)}`);
      }
      this.state.restarts++;
      this.#set("waiting");
      await this.#sleep(pause);
      pause = Math.min(pause * 2, pace.longestPauseMs);
    }
    this.#set("stopped");
  }

  #launch(configuration: Configuration): Promise<Ending> {
    const launch = this.role.launch(configuration);
    const log = openLog(this.#with.logPath);
    // A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which ends the rest in order.
    const child = spawn(launch.command, launch.args, {
      cwd: launch.cwd,
      env: { ...launch.env, SIGNALBOX_NAME: this.role.name },
      stdio: ["ignore", log, log],
      detached: true,
      ...(launch.uid !== undefined && { uid: launch.uid, gid: launch.gid }),
    });
    closeLog(log);
    this.#child = child;
    let failed: string | undefined;
    const ended = new Promise<Ending>((resolve) => {
      child.once("error", (error) => {
        failed = error.message;
        this.#with.say("error", `${this.role.name} could not be started: ${failed}`);
        resolve({ code: null, signal: null });
      });
      child.once("exit", (code, signal) => resolve({ code, signal }));
    }).then((ending) => {
      if (this.#child === child) {
        this.#child = undefined;
        this.state.process = undefined;
        if (!this.#stopping) this.#with.changed();
      }
      return ending;
    });
    this.#ended = ended;
    this.state.process = child.pid ? identify(child.pid) : undefined;
    this.#set("starting");
    return ended;
  }

  // It was ready with this configuration before, so that what keeps it from that now is not its own.
  #isProven(configuration: Configuration): boolean {
    const good = this.role.configuration && this.#with.lastGood.read(this.role.name);
    return good !== undefined && changedNames(good, configuration).length === 0;
  }

  // Resolves to what went wrong, or to undefined once it is ready.
  async #becomeReady(ended: Promise<Ending>, isProven: boolean): Promise<string | undefined> {
    const { readyWithinMs, isReady, isLive = async () => false } = this.role;
    const end = performance.now() + readyWithinMs;
    let over: Ending | undefined;
    ended.then((ending) => (over = ending));
    let wait = 25;
    while (!over && !this.#stopping) {
      // An answer counts only from a process that is still there: another one may hold its port.
      if ((await isReady()) && !over) {
        if (this.state.note === waiting) delete this.state.note;
        return undefined;
      }
      if (performance.now() > end) {
        // Its doors stay open meanwhile: operators need them most while a database is away.
        if (!isProven || !(await isLive())) return `no answer within ${seconds(readyWithinMs)}`;
        if (this.state.note !== waiting) {
          this.state.note = waiting;
          this.#with.changed();
        }
      }
      await Promise.race([this.#sleep(wait), ended]);
      wait = Math.min(wait * 1.3, 150);
    }
    const ending = over ? `ended (${over.signal ?? `exit ${over.code}`})` : "stopped";
    const words = lastWords(this.#with.logPath);
    return words ? `${ending}: ${words}` : ending;
  }

  async stop(withinMs = this.role.stopWithinMs): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    if (this.state.process) this.#set("stopping");
    await this.#end(this.role.stopSignal, withinMs);
    this.state.process = undefined;
    this.#set("stopped");
  }

  async #end(signal: NodeJS.Signals, withinMs: number): Promise<void> {
    const identity = this.state.process;
    if (!this.#child || !identity || !isAlive(identity)) return;
    sendSignal(identity, signal);
    await Promise.race([this.#ended, pauseOf(withinMs)]);
    if (!isAlive(identity)) return;
    sendSignal(identity, "SIGKILL");
    await waitUntilGone(identity, 1000);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #set(state: ProcessState["state"]): void {
    this.state.state = state;
    this.state.since = new Date().toISOString();
    this.#with.changed();
  }
}

const pauseOf = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
const seconds = (ms: number) => `${Number((ms / 1000).toFixed(1))} s`;
