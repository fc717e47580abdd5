// Health in the application/health+json form: live (the process answers), ready (its dependencies do too).

/** `reason`: one word for programs, where the check's own is not the one. */
export type CheckResult = {
  status: "pass" | "warn" | "fail";
  output?: string;
  observedMs?: number;
  reason?: string;
};
export type Check = () => Promise<CheckResult>;

export type HealthReport = {
  status: "pass" | "warn" | "fail";
  version: string;
  serviceId: string;
  output?: string;
  /** Why it is not a plain pass, in one word: draining, db, redis, schema_behind, schema_ahead, or a check's name. */
  reason?: string;
  checks: Record<string, ({ componentType: string; time: string } & CheckResult)[]>;
};

type CheckOptions = { required?: boolean; reason?: string };

export type Health = {
  /** A failing required check makes the process not ready; a failing optional one is a warning. */
  add(name: string, componentType: string, check: Check, options?: CheckOptions): void;
  live(): HealthReport;
  ready(): Promise<HealthReport>;
  /** Told by the shutdown, so that the balancer stops sending before the listener closes. */
  drain(): void;
};

export function createHealth(options: { version: string; serviceId: string; timeoutMs?: number }): Health {
  const { version, serviceId, timeoutMs = 1_000 } = options;
  const checks: { name: string; componentType: string; check: Check; required: boolean; reason: string }[] =
    [];
  let draining = false;

  const bare = (status: HealthReport["status"], reason?: string): HealthReport => ({
    status,
    version,
    serviceId,
    ...(reason ? { output: reason, reason } : {}),
    checks: {},
  });

  return {
    add: (name, componentType, check, { required = true, reason = name } = {}) =>
      void checks.push({ name, componentType, check, required, reason }),
    live: () => bare("pass"),
    drain() {
      draining = true;
    },
    async ready() {
      if (draining) return bare("fail", "draining");
      const results = await Promise.all(
        checks.map(async ({ name, componentType, check, required, reason }) => {
          const began = performance.now();
          const { reason: told, ...result } = await within(timeoutMs, check);
          const status = result.status === "fail" && !required ? "warn" : result.status;
          const observedMs = Math.round((performance.now() - began) * 100) / 100;
          return {
            name,
            reason: told ?? reason,
            entry: { componentType, time: new Date().toISOString(), observedMs, ...result, status },
          };
        }),
      );
      const report = bare("pass");
      for (const { name, entry } of results) {
        report.checks[name] = [entry];
        if (entry.status === "fail") report.status = "fail";
        else if (entry.status === "warn" && report.status === "pass") report.status = "warn";
      }
      const failing = results.filter(({ entry }) => entry.status === "fail").map(({ name }) => name);
      if (failing.length > 0) report.output = `not ready: ${failing.join(", ")}`;
      const worst = results.find(({ entry }) => entry.status === report.status);
      if (worst && report.status !== "pass") report.reason = worst.reason;
      return report;
    },
  };
}

async function within(ms: number, check: Check): Promise<CheckResult> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<CheckResult>((resolve) => {
    timer = setTimeout(() => resolve({ status: "fail", output: `no answer within ${ms} ms` }), ms);
  });
  try {
    return await Promise.race([check(), late]);
  } catch (error) {
    return { status: "fail", output: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** Turns "does this promise resolve" into a check. */
export const answers =
  (ask: () => Promise<unknown>): Check =>
  async () => {
    await ask();
    return { status: "pass" };
  };
