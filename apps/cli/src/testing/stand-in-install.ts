// An install with real engines and stand-ins for the roles, supervised by this process: argv[2] holds its options.
import { join } from "node:path";
import { toFault } from "../fault.ts";
import { startInstall } from "../install.ts";
import { root } from "../repository.ts";
import { type InstallOptions, planInstall } from "../roles.ts";

const standIn = join(root, "apps/cli/src/testing/stand-in.ts");
const options = JSON.parse(process.argv[2]!) as InstallOptions;
const pace = { firstPauseMs: 50, longestPauseMs: 400, healthyAfterMs: 30_000, attempts: 3 };

const makePlan: typeof planInstall = (...given) => {
  const plan = planInstall(...given);
  const steps = plan.steps.map((step) => {
    if (step.kind !== "roles") return step;
    const roles = step.roles.map((role) =>
      role.configuration
        ? {
            ...role,
            readyWithinMs: Number(process.env.STAND_IN_READY_MS ?? role.readyWithinMs),
            launch: (chosen: Record<string, string>) => ({
              ...role.launch(chosen),
              args: [standIn],
              cwd: root,
            }),
          }
        : role,
    );
    return { ...step, roles };
  });
  return { ...plan, steps };
};

try {
  const running = await startInstall(options, (report) => console.log(JSON.stringify(report)), {
    makePlan,
    pace,
  });
  console.log(JSON.stringify({ kind: "ready" }));
  process.on("SIGTERM", () => running.stop().then(() => process.exit(0)));
} catch (error) {
  console.log(JSON.stringify({ kind: "fault", message: toFault(error).message }));
  process.exitCode = 1;
}
