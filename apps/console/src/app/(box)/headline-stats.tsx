"use client";

import { Stat } from "@signalbox/ui/stat";
import { TimeSeries } from "@signalbox/ui/time-series";
import { compact, count, milliseconds, percent } from "@/format.ts";
import type { Span } from "./choices.ts";
import { type Sample, useCourse } from "./course.ts";
import { headline, judge, wordOf } from "./headline.ts";
import styles from "./overview.module.css";
import { useGoldenPoll } from "./use-golden.ts";

const chartSeconds: Record<Span, number> = { "30s": 120, "5m": 300, "1h": 3_600 };

const split = (text: string): [string, string | undefined] => {
  const [value = text, unit] = text.split(" ");
  return [value, unit];
};

export function HeadlineStats({ window }: { window: Span }) {
  const { data } = useGoldenPoll(window, "track");
  const shown = data && headline(data);
  const course = useCourse(window);
  const from = (course.at(-1)?.at ?? 0) - chartSeconds[window];
  const samples = course.filter(({ at }) => at >= from);
  const chart = {
    times: samples.map(({ at }) => at),
    spanSeconds: chartSeconds[window],
  };
  const line = (pick: (sample: Sample) => number | null) => samples.map(pick);
  const [p95, p95Unit] = split(milliseconds(shown?.p95));

  const errors = judge("errorRate", shown && shown.requests > 0 ? shown.errorRate : undefined);
  const latency = judge("latencyMs", shown?.p95);
  const saturation = judge("saturation", shown?.saturation?.share);

  return (
    <div className={styles.stats}>
      <Stat
        label="Traffic"
        value={compact(shown?.rps)}
        unit="req/s"
        detail={shown ? `${count(shown.refused)} refused` : null}
        aspect={shown?.requests === 0 ? "dark" : undefined}
        word="No traffic"
      >
        <TimeSeries
          {...chart}
          label="Requests per second"
          format={compact}
          atLeast={1}
          series={[{ label: "req/s", token: "--series-1", filled: true, values: line((it) => it.rps) }]}
        />
      </Stat>
      <Stat
        label="Errors"
        value={percent(shown?.errorRate)}
        detail={shown ? `${count(shown.errors)} of ${count(shown.requests)}` : null}
        aspect={shown ? errors : undefined}
        word={wordOf[errors]}
      >
        <TimeSeries
          {...chart}
          label="Share of requests that failed"
          format={percent}
          atLeast={0.01}
          series={[
            { label: "errors", token: "--series-1", filled: true, values: line((it) => it.errorRate) },
          ]}
        />
      </Stat>
      <Stat
        label="Latency p95"
        value={p95}
        unit={p95Unit}
        detail={
          shown?.canaryP95 === undefined ? (
            <>p99 {milliseconds(shown?.p99)}</>
          ) : (
            <>
              canary {milliseconds(shown.canaryP95)} · p99 {milliseconds(shown.p99)}
            </>
          )
        }
        aspect={shown ? latency : undefined}
        word={wordOf[latency]}
      >
        <TimeSeries
          {...chart}
          label="Latency"
          format={milliseconds}
          atLeast={10}
          series={[
            { label: "p95", token: "--series-1", filled: true, values: line((it) => it.p95) },
            { label: "p99", token: "--series-2", values: line((it) => it.p99) },
          ]}
        />
      </Stat>
      <Stat
        label="Saturation"
        value={percent(shown?.saturation?.share)}
        detail={shown?.saturation ? `${shown.saturation.instance} · ${shown.saturation.what}` : null}
        aspect={shown ? saturation : undefined}
        word={wordOf[saturation]}
      >
        <TimeSeries
          {...chart}
          label="The tightest resource"
          format={percent}
          atLeast={1}
          series={[
            { label: "in use", token: "--series-1", filled: true, values: line((it) => it.saturation) },
          ]}
        />
      </Stat>
    </div>
  );
}
