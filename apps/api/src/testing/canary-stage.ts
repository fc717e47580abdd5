// Two releases of a service behind a gateway, callers who never stop, and workers who judge: real processes, for tests and benchmarks.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createProcesses } from "./processes.ts";

const regression = new URL("./regression.ts", import.meta.url).href;
const workers = join(import.meta.dirname, "../../../workers/src/main.ts");

export type Story = {
  id: string;
  state: string;
  weight: number;
  version: number;
  confirmations: { expected: number | null; confirmed: number; slowestMs: number | null; missing: string[] };
  standing: { why: string; verdict: string } | null;
  decisions: {
    act: string;
    verdict: string;
    why: string;
    replays: boolean;
    at: string;
    evidence: unknown;
    confirmations: { slowestMs: number | null; missing: string[] } | null;
  }[];
  events: { kind: string; actor: { kind: string }; at: string }[];
};

export type Stage = Awaited<ReturnType<typeof openStage>>;

export async function openStage(engines: { databaseUrl: string; redisUrl: string }) {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-canaries-"));
  const processes = createProcesses(engines);
  const endings = new Set<() => Promise<unknown>>();
  const users = (track: string, version: string, more: Record<string, string> = {}) =>
    processes.start({
      ...{ SIGNALBOX_ROLE: "service", SIGNALBOX_SERVICES: "users", SIGNALBOX_NAME: `users-${track}` },
      ...{ SIGNALBOX_TRACK: track, SIGNALBOX_VERSION: version },
      ...more,
    });
  const [operator] = await Promise.all([
    processes.start({ SIGNALBOX_ROLE: "operator", SIGNALBOX_NAME: "operator" }),
    users("stable", "1.0.0"),
    users("canary", "2.0.0", {
      NODE_OPTIONS: `--import ${regression}`,
      REGRESSION_FILE: join(folder, "regression.json"),
    }),
  ]);
  const gateway = await processes.start({
    SIGNALBOX_ROLE: "gateway",
    SIGNALBOX_NAME: "gateway",
    SIGNALBOX_TRUSTED_PROXIES: "127.0.0.0/8",
  });
  const counts = { answered: 0, failed: 0 };
  let going = true;

  async function request(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`${operator.url}/operator/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${processes.operatorToken}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify({ reason: "a test", ...body }) } : {}),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${text}`);
    return JSON.parse(text);
  }
  const ask = async (method: string, path: string, body?: object) =>
    (await request(method, path, body)) as Story;

  /** Guests, each of an address of its own, so that a weight is a share of callers. */
  async function keepAsking(): Promise<void> {
    while (going) {
      const part = () => Math.floor(Math.random() * 200);
      const answer = await fetch(`${gateway.url}/v1/users/nobody_at_all`, {
        headers: { "x-forwarded-for": `10.${part()}.${part()}.1` },
      }).catch(() => undefined);
      await answer?.text();
      if (answer?.status === 404) counts.answered += 1;
      else counts.failed += 1;
      await pause(20);
    }
  }
  for (const key of ["address", "user"]) await request("PUT", `/limits/${key}`, { rate: 1e6, burst: 1e7 });
  const clients = Array.from({ length: 12 }, keepAsking);

  return {
    ask,
    counts,
    /** Makes the canary's release bad, or good again. */
    spoil: (how: { errors?: number; delayMs?: number }) =>
      writeFileSync(join(folder, "regression.json"), JSON.stringify(how)),

    /** Workers as they are deployed; the answer kills them. */
    startJudge(name: string): () => Promise<unknown> {
      const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
      const child = spawn(process.execPath, [workers], {
        stdio: ["ignore", "ignore", "inherit"],
        env: {
          ...inherited,
          NODE_ENV: "production",
          LOG_LEVEL: "error",
          DATABASE_URL: engines.databaseUrl,
          REDIS_URL: engines.redisUrl,
          SIGNALBOX_SECRET: processes.secret,
          SIGNALBOX_DATA_DIR: join(folder, name),
          SIGNALBOX_NAME: name,
          SIGNALBOX_POOL_SIZE: "2",
          SIGNALBOX_HEALTH_PORT: "0",
          SIGNALBOX_PUBLIC_URL: "http://127.0.0.1:8080",
        },
      });
      const exited = once(child, "exit");
      const kill = async () => {
        endings.delete(kill);
        child.kill("SIGKILL");
        await exited;
      };
      endings.add(kill);
      return kill;
    },

    /** An instance that failed gets nothing for a while; a canary without one would fail. */
    async waitUntilAllAreAsked(): Promise<void> {
      // A gateway tells once a second whom it leaves out, so one look may be of a moment before.
      let inARow = 0;
      for (let left = 300; left > 0 && inARow < 12; left -= 1) {
        const { items } = (await request("GET", "/services")) as { items: { ejectedBy: string[] }[] };
        inARow = items.every(({ ejectedBy }) => ejectedBy.length === 0) ? inARow + 1 : 0;
        await pause(200);
      }
    },

    async until(id: string, what: string, is: (story: Story) => boolean, limitMs: number): Promise<Story> {
      for (const end = performance.now() + limitMs; ; await pause(300)) {
        const story = await ask("GET", `/canaries/${id}`);
        if (is(story)) return story;
        if (performance.now() < end) continue;
        const { state, weight, standing } = story;
        throw new Error(`${what}: not within ${limitMs} ms; ${state} at ${weight} %, ${standing?.why}`);
      }
    },

    async start(steps: { weight: number; bakeSeconds: number }[]): Promise<Story> {
      // What an earlier attempt left would stand in the way of this one.
      const { items } = (await request("GET", "/canaries")) as { items: { id: string; inForce: boolean }[] };
      for (const { id, inForce } of items) if (inForce) await ask("POST", `/canaries/${id}/abort`, {});
      return ask("POST", "/canaries", {
        target: { kind: "release", service: "users", version: "2.0.0" },
        steps,
        // A machine on which tests run is no place to compare milliseconds.
        triggers: { minRequests: 20, slowFloorMs: 400, warmupSeconds: 0, guards: [] },
      });
    },

    async close(): Promise<void> {
      going = false;
      await Promise.all(clients);
      await Promise.all([...endings].map((end) => end()));
      await processes.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
