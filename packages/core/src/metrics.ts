// What a process says to Prometheus, in its text format: how calls go (rate, errors, duration) and what is used up.

import type { InstanceSaturation } from "./signals/saturation.ts";
import type { Total } from "./signals/signals.ts";
import { countUpTo } from "./signals/sketch.ts";

export type Labels = Record<string, string>;
export type Family = {
  name: string;
  help: string;
  type: "counter" | "gauge" | "histogram";
  samples: { suffix?: "_bucket" | "_sum" | "_count"; labels?: Labels; value: number }[];
};

export type Metrics = {
  /** Lets a part of the process add what it knows. Asked at each scrape. */
  add(read: () => Family[]): void;
  text(): string;
};

export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

// Seconds. Fine below a second, where limits of services lie; the counts come from sketches, so an edge is off by at most 1 %.
const edges = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createMetrics(deps: {
  signals: { totals(): Total[]; saturation(): InstanceSaturation };
  instance: { id: string; name: string; version: string; track: string; zone: string };
  commit?: string;
  redis?: { status: string };
}): Metrics {
  const { signals, instance, redis } = deps;
  const readers: (() => Family[])[] = [
    () => calls(signals.totals()),
    () => saturation(signals.saturation()),
    () => [
      {
        name: "signalbox_build_info",
        help: "What runs here; always 1.",
        type: "gauge",
        samples: [
          {
            labels: {
              version: instance.version,
              commit: deps.commit ?? "unknown",
              track: instance.track,
              zone: instance.zone,
              name: instance.name,
              instance_id: instance.id,
              node: process.version,
            },
            value: 1,
          },
        ],
      },
      gauge(
        "process_start_time_seconds",
        "When the process began, in seconds since 1970.",
        performance.timeOrigin / 1_000,
      ),
      ...(redis
        ? [
            gauge(
              "signalbox_redis_up",
              "Whether the connection to Redis stands.",
              redis.status === "ready" ? 1 : 0,
            ),
          ]
        : []),
    ],
  ];
  return {
    add: (read) => void readers.push(read),
    text: () => exposition(readers.flatMap((read) => read())),
  };
}

export const gauge = (name: string, help: string, value: number, labels?: Labels): Family => ({
  name,
  help,
  type: "gauge",
  samples: [{ value, ...(labels ? { labels } : {}) }],
});

function calls(totals: Total[]): Family[] {
  const counter = (name: string, help: string, value: (total: Total) => number): Family => ({
    name,
    help,
    type: "counter",
    samples: totals.map((total) => ({ labels: labelsOf(total), value: value(total) })),
  });
  const duration: Family = {
    name: "signalbox_call_duration_seconds",
    help: "How long answered calls took, refused ones left out.",
    type: "histogram",
    samples: totals.flatMap((total) => {
      const labels = labelsOf(total);
      const count = total.requests - total.refused;
      return [
        ...edges.map((edge) => ({
          suffix: "_bucket" as const,
          labels: { ...labels, le: String(edge) },
          value: countUpTo(total.sketch, edge * 1_000),
        })),
        { suffix: "_bucket" as const, labels: { ...labels, le: "+Inf" }, value: count },
        { suffix: "_sum" as const, labels, value: total.sumMs / 1_000 },
        { suffix: "_count" as const, labels, value: count },
      ];
    }),
  };
  return [
    counter("signalbox_calls_total", "Calls that came in.", ({ requests }) => requests),
    counter("signalbox_call_errors_total", "Calls that failed on our side.", ({ errors }) => errors),
    counter(
      "signalbox_call_refusals_total",
      "Calls refused by a switch, a limit or for lack of room.",
      ({ refused }) => refused,
    ),
    duration,
  ];
}

const labelsOf = ({ endpoint, service, track }: Total): Labels => ({ endpoint, service, track });

function saturation({
  eventLoopDelayMs,
  memoryBytes,
  heapBytes,
  inFlight,
  pool,
}: InstanceSaturation): Family[] {
  const { user, system } = process.cpuUsage();
  return [
    {
      name: "process_cpu_seconds_total",
      help: "Processor time used.",
      type: "counter",
      samples: [{ value: (user + system) / 1e6 }],
    },
    gauge("process_resident_memory_bytes", "Memory held.", memoryBytes),
    gauge("nodejs_heap_size_used_bytes", "Memory that JavaScript holds.", heapBytes),
    gauge(
      "nodejs_eventloop_lag_seconds",
      "Mean delay of the event loop in the last second.",
      eventLoopDelayMs / 1_000,
    ),
    gauge("signalbox_calls_in_flight", "Calls under way.", inFlight),
    ...(pool
      ? [
          gauge("signalbox_pool_size", "Connections that the pool may open.", pool.size),
          gauge("signalbox_pool_in_use", "Connections in use.", pool.inUse),
          gauge("signalbox_pool_waiting", "Statements that wait for a connection.", pool.waiting),
        ]
      : []),
  ];
}

/** The text format 0.0.4. */
export function exposition(families: Family[]): string {
  let text = "";
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue;
    text += `# HELP ${name} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}\n# TYPE ${name} ${type}\n`;
    for (const { suffix = "", labels, value } of samples)
      text += `${name}${suffix}${formatLabels(labels)} ${formatValue(value)}\n`;
  }
  return text;
}

function formatLabels(labels: Labels | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(
    ([name, value]) => `${name}="${value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`,
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

const formatValue = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
