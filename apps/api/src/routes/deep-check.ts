// The deep check: not whether the parts answer, but whether something goes all the way through, and how long that took.

import { type Check, createHealth, type Health, type HealthReport } from "@signalbox/core/health";
import { newId } from "@signalbox/core/ids";
import { isDatabaseAway } from "@signalbox/db";
import type { Deps } from "@signalbox/modules/ctx";

export async function checkDeeply(deps: Deps, health: Health): Promise<HealthReport> {
  const ways = createHealth({
    version: deps.instance.version,
    serviceId: deps.instance.id,
    timeoutMs: 3_000,
  });
  ways.add("postgres:write", "datastore", writeAndRollBack(deps));
  ways.add("redis:write", "datastore", writeAndReadBack(deps), { required: false });
  ways.add("control:settings", "system", freshSettings(deps), { required: false });
  const [parts, deep] = await Promise.all([health.ready(), ways.ready()]);
  const worst = [parts.status, deep.status];
  const status = worst.includes("fail") ? "fail" : worst.includes("warn") ? "warn" : "pass";
  const output = [parts.output, deep.output].filter(Boolean).join("; ");
  return { ...deep, status, ...(output ? { output } : {}), checks: { ...parts.checks, ...deep.checks } };
}

/** A row of the outbox, so that disk, rights and partitions are all in the way; nobody hears of it. */
const writeAndRollBack =
  ({ sql }: Deps): Check =>
  async () => {
    const undo = new Error("only a check");
    try {
      await sql.begin(async (tx) => {
        await tx`insert into outbox (id, key, topic, version, payload, request_id)
          values (${newId()}, ${newId()}, 'health.checked', 1, '{}', 'deep-check')`;
        throw undo;
      });
    } catch (error) {
      if (error !== undo) return { status: "fail", output: isDatabaseAway(error) ? "away" : String(error) };
    }
    return { status: "pass" };
  };

const writeAndReadBack =
  ({ redis }: Deps): Check =>
  async () => {
    const key = `health:{${newId()}}`;
    await redis.set(key, key, "EX", 10);
    return (await redis.get(key)) === key
      ? { status: "pass" }
      : { status: "fail", output: "what was written did not come back" };
  };

const freshSettings =
  ({ live, sql }: Deps): Check =>
  async () => {
    const [head] = await sql<
      { revision: number | null }[]
    >`select max(revision)::float8 as revision from control_events`;
    const behind = (head?.revision ?? 0) - live.revision;
    return behind > 0
      ? { status: "warn", output: `${behind} revision(s) behind the log` }
      : { status: "pass" };
  };
