// What lanes and breakers say to Prometheus.

import type { Family } from "../metrics.ts";
import type { LaneFigures, Parts } from "../signals/saturation.ts";
import type { DependencyFigures } from "./dependencies.ts";

const states = ["closed", "half-open", "open"] as const;

export function partFamilies({ lanes, dependencies }: Parts): Family[] {
  const lane = (
    name: string,
    help: string,
    type: Family["type"],
    read: (of: LaneFigures) => number,
  ): Family => ({
    name,
    help,
    type,
    samples: lanes.map((of) => ({ labels: { service: of.service }, value: read(of) })),
  });
  const part = (name: string, help: string, read: (of: DependencyFigures) => number): Family => ({
    name,
    help,
    type: "counter",
    samples: dependencies.map((of) => ({ labels: { dependency: of.name }, value: read(of) })),
  });
  return [
    lane("signalbox_lane_limit", "Calls at once that make sense now.", "gauge", ({ limit }) => limit),
    lane("signalbox_lane_in_flight", "Calls under way.", "gauge", ({ inFlight }) => inFlight),
    lane("signalbox_lane_waiting", "Calls that wait for their turn.", "gauge", ({ waiting }) => waiting),
    lane(
      "signalbox_lane_refused_total",
      "Calls refused for lack of room.",
      "counter",
      ({ refused }) => refused,
    ),
    {
      name: "signalbox_dependency_state",
      help: "1 for the state that the breaker of a part is in.",
      type: "gauge",
      samples: dependencies.flatMap(({ name, state }) =>
        states.map((one) => ({ labels: { dependency: name, state: one }, value: state === one ? 1 : 0 })),
      ),
    },
    part("signalbox_dependency_refused_total", "Times a part was not asked.", ({ refused }) => refused),
    part("signalbox_dependency_opened_total", "Times its breaker opened.", ({ opened }) => opened),
    part("signalbox_dependency_retries_total", "Times it was asked again.", ({ retries }) => retries.retries),
  ];
}
