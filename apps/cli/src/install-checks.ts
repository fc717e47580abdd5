// What doctor --install asks of an install that runs, wherever that is: on this machine, in Compose or in a cluster. There the
// environment says where things are, as it says it to the roles.

import { readConfig } from "@signalbox/core/config";
import { connectDatabase } from "@signalbox/db";
import { createSchemaCheck } from "@signalbox/db/schema-state";
import type { DataDir } from "./data-dir.ts";
import { requireUsableDatabase } from "./database-checks.ts";
import { requireAnsweringRedis } from "./engines/redis.ts";
import { Fault, toFault } from "./fault.ts";
import { readRunFile } from "./install.ts";
import { type DeepHealth, operatorApi } from "./operator-api.ts";

export type Finding = { name: string; state: "ok" | "warn" | "fail"; text: string; mend?: string };

type Instance = { name: string; role: string; health: string; version: string; track: string };

const mendRole = "Look at that role's own words: its log, and /readyz on its health port.";

export async function installFindings(dir: DataDir, gatewayUrl: string | undefined): Promise<Finding[]> {
  const run = readRunFile(dir);
  const stores = run
    ? { database: run.postgres, redis: run.redis, gateway: run.api }
    : storesOfEnvironment(gatewayUrl);
  const api = operatorApi(dir);
  const look = async (name: string, ask: () => Promise<Finding | Finding[]>): Promise<Finding[]> => {
    try {
      return [await ask()].flat();
    } catch (error) {
      const { message, mend } = toFault(error);
      return [{ name, state: "fail", text: message, mend }];
    }
  };
  return [
    ...(await look("Postgres", async () => {
      await requireUsableDatabase(stores.database);
      return { name: "Postgres", state: "ok", text: "answers, new enough, its log may be read" };
    })),
    ...(await look("schema", () => schema(stores.database))),
    ...(await look("Redis", async () => {
      await requireAnsweringRedis(stores.redis);
      return { name: "Redis", state: "ok", text: "answers" };
    })),
    ...(await look("operator", async () => deep(await api.health()))),
    ...(await look("roles", async () => {
      const { items } = await api.call<{ items: Instance[] }>("GET", "/operator/v1/services");
      return roles(items);
    })),
    ...(await look("queues", async () => {
      const { items } = await api.call<{ items: unknown[] }>("GET", "/operator/v1/queues");
      return { name: "queues", state: "ok", text: `${items.length} are watched` };
    })),
    ...(await look("gateway", () => gateway(stores.gateway))),
  ];
}

function storesOfEnvironment(gateway: string | undefined) {
  const { DATABASE_URL, DATABASE_DIRECT_URL, REDIS_URL, SIGNALBOX_PUBLIC_URL } = readConfig(process.env);
  return {
    database: DATABASE_DIRECT_URL ?? DATABASE_URL,
    redis: REDIS_URL,
    gateway: gateway ?? SIGNALBOX_PUBLIC_URL,
  };
}

async function schema(url: string): Promise<Finding> {
  const { watch, close } = connectDatabase(url, { name: "signalbox doctor", poolSize: 1 });
  try {
    const { status, output } = await createSchemaCheck(watch)();
    const name = "schema";
    if (status === "pass") return { name, state: "ok", text: "is this release's" };
    const mend = "Run the migrations of this release: node apps/cli/src/prepare-database.ts";
    return { name, state: status, text: output ?? status, ...(status === "fail" ? { mend } : {}) };
  } finally {
    await close();
  }
}

/** Not whether parts answer, but whether something goes all the way through. */
function deep({ checks }: DeepHealth): Finding[] {
  return Object.entries(checks).map(([part, [entry]]) => {
    const { status, output, observedMs } = entry!;
    const text = [output, observedMs === undefined ? undefined : `${observedMs} ms`]
      .filter(Boolean)
      .join(", ");
    return {
      name: part,
      state: status === "pass" ? "ok" : status,
      text,
      ...(status === "fail" ? { mend: mendRole } : {}),
    };
  });
}

/** An `all` is each of them but the worker. */
function roles(instances: Instance[]): Finding[] {
  return ["gateway", "operator", "service", "worker"].map((role) => {
    const here = instances.filter((each) => each.role === role || (each.role === "all" && role !== "worker"));
    const well = here.filter(({ health }) => health !== "fail").length;
    const name = `${role}s`;
    if (well > 0)
      return {
        name,
        state: well === here.length ? "ok" : "warn",
        text: `${well} of ${here.length} are well`,
      };
    const text = here.length === 0 ? "none is there" : `none of ${here.length} is well`;
    return { name, state: "fail", text, mend: mendRole };
  });
}

async function gateway(url: string): Promise<Finding> {
  const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) }).catch(() => {
    throw new Fault(`The gateway at ${url} does not answer.`, mendRole);
  });
  const { status, reason = "" } = (await answer.json()) as { status: string; reason?: string };
  return answer.ok
    ? { name: "gateway", state: "ok", text: `${url} is ready` }
    : { name: "gateway", state: "fail", text: `${url} is not ready: ${reason || status}`, mend: mendRole };
}
