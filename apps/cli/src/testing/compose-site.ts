// A Compose install for a test: a folder and a project of its own, on free ports, asked by the command as people do and by HTTP.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "@signalbox/core/testing/free-port";
import { prepareMachine } from "../compose/machine.ts";
import { root } from "../repository.ts";
import { requireWhole } from "./doctor-checks.ts";

export type Outcome = { code: number; text: string };
type Answer = { status: number; body: Record<string, string> };

export type ComposeSite = {
  folder: string;
  project: string;
  origin: string;
  /** Of every command after; a test may add to it. */
  env: NodeJS.ProcessEnv;
  run(file: string, args: string[]): Promise<Outcome>;
  docker(...words: string[]): Promise<string>;
  compose(...words: string[]): Promise<Outcome>;
  /** As `compose`, and a failure with its words where it fails. */
  must(...words: string[]): Promise<string>;
  ask(path: string, body?: unknown, token?: string): Promise<Answer>;
  /** Which image the site runs, by tag. */
  pin(tag: string): void;
  register(name: string): Promise<string>;
  /** No request is lost; where one is, what the edge says of it is said too. */
  requireNoneLost(load: { good: number; bad: string[] }, text: string): Promise<void>;
  /** What doctor says from inside of the stack, all of it well. */
  doctor(): Promise<string>;
  remove(): Promise<void>;
};

/** With secrets, and nothing that runs. */
export async function makeComposeSite(
  versions: string[],
  options?: Parameters<typeof prepareMachine>[1],
): Promise<ComposeSite> {
  const machine = await prepareMachine(versions, options);
  const folder = mkdtempSync(join(tmpdir(), "signalbox-site-"));
  const project = `signalbox-dist-${process.pid}`;
  cpSync(join(root, "compose"), folder, {
    recursive: true,
    filter: (path) => !/compose\/(\.env|secrets|upgrade\.json)/.test(path),
  });
  const [gateway, console_] = [await freePort(), await freePort()];
  const origin = `http://127.0.0.1:${gateway}`;
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...machine,
    SIGNALBOX_SITE: folder,
    COMPOSE_PROJECT_NAME: project,
    SIGNALBOX_GATEWAY_PORT: String(gateway),
    SIGNALBOX_CONSOLE_PORT: String(console_),
    SIGNALBOX_PUBLIC_URL: origin,
  };
  const run = (file: string, args: string[]): Promise<Outcome> =>
    new Promise((resolve) =>
      execFile(file, args, { cwd: root, env, maxBuffer: 1 << 24 }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, text: stdout + stderr }),
      ),
    );
  const compose = (...words: string[]) => run(join(root, "signalbox"), ["compose", ...words]);
  const ask = async (path: string, body?: unknown, token?: string): Promise<Answer> => {
    const answer = await fetch(`${origin}${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    // An edge that found nobody behind it has no words.
    const text = await answer.text();
    return { status: answer.status, body: text ? (JSON.parse(text) as Record<string, string>) : {} };
  };
  const site: ComposeSite = {
    folder,
    project,
    origin,
    env,
    run,
    compose,
    ask,
    async docker(...words) {
      const { code, text } = await run("docker", words);
      assert.equal(code, 0, `docker ${words.join(" ")}: ${text.slice(-2_000)}`);
      return text.trim();
    },
    async must(...words) {
      const { code, text } = await compose(...words);
      assert.equal(code, 0, `compose ${words.join(" ")}: ${text.slice(-2_000)}`);
      return text;
    },
    pin(tag) {
      const path = join(folder, ".env");
      const lines = readFileSync(path, "utf8").split("\n");
      const others = lines.filter((line) => line !== "" && !line.startsWith("SIGNALBOX_TAG="));
      writeFileSync(path, `${[...others, `SIGNALBOX_TAG=${tag}`].join("\n")}\n`);
    },
    async register(name) {
      const person = { handle: name, email: `${name}@example.com`, password: `a long password of ${name}` };
      // Healthy for Docker is not yet seen by the edge, and a machine that is just started with everything may be too busy.
      for (let left = 20; ; left -= 1) {
        const { status, body } = await ask("/v1/auth/register", person);
        if (status === 201) return body.accessToken!;
        assert.ok(status >= 502 && left > 0, `${status} ${JSON.stringify(body)}`);
        await pause(1_000);
      }
    },
    async requireNoneLost({ good, bad }, text) {
      const said = bad.length ? await site.must("logs", "--no-log-prefix", "--tail", "20", "edge") : "";
      assert.deepEqual(bad, [], `of ${good}\n${text}\n${said}`);
    },
    async doctor() {
      const words = ["doctor", "--install", "--gateway", "http://gateway:8080"];
      const said = await site.must("run", "--rm", "-T", "cli", ...words);
      requireWhole(said);
      return said;
    },
    async remove() {
      await compose("down", "--volumes", "--timeout", "5");
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await site.must("init");
  return site;
}
