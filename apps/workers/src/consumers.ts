// The jobs of every module as consumers of the bus.

import { consumerPrefix } from "@signalbox/control/settings";
import type { Bus } from "@signalbox/core/bus/bus";
import type { Deps, Job } from "@signalbox/modules/ctx";
import { groupsOf, isPartAway, jobHandler } from "@signalbox/modules/run-jobs";

export function consumeJobs(bus: Bus, deps: Deps, jobs: Job[]): string[] {
  const groups = groupsOf(jobs);
  for (const [group, ofModule] of groups)
    bus.consume(group, jobHandler(deps, ofModule), {
      isAway: isPartAway,
      isOff: () => deps.live.rules().offForAll(consumerPrefix + group, deps.now().getTime()),
    });
  return [...groups.keys()];
}
