// Letting a change out to few callers first, and judging it: what operators do is in operator.ts, who judges is here.

import { createCanaryJudge } from "@signalbox/control/canary/controller";
import { openPlane } from "../control/plane.ts";
import type { Deps } from "../ctx.ts";
import { findInterlocks } from "./interlocks.ts";

/** Judges whenever no other process does. */
export function startCanaryJudge(deps: Deps): { close(): Promise<void> } {
  const plane = openPlane(deps);
  const judge = createCanaryJudge({
    ...plane,
    sql: deps.watch,
    log: deps.log,
    instance: deps.instance,
    interlocks: (canary) => findInterlocks(deps, canary),
  });
  judge.start();
  return {
    async close() {
      await judge.close();
      await plane.close();
    },
  };
}
