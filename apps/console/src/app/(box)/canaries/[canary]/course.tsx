// Both sides of a canary over time: the share of requests that went wrong, and between which shares the true one probably is.

"use client";

import type { CanaryCourse } from "@signalbox/modules/canaries/schema";
import { EmptyState } from "@signalbox/ui/empty-state";
import { IntervalChart } from "@signalbox/ui/interval-chart";
import { Panel } from "@signalbox/ui/panel";
import { Segmented } from "@signalbox/ui/segmented";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { count, percent } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { isRunning, weightWords } from "../canary-words.ts";
import type { Story } from "../story.ts";
import styles from "./canary.module.css";

const signals = [
  { value: "errors", label: "Errors" },
  { value: "slow95", label: "Slower than p95" },
  { value: "slow99", label: "Slower than p99" },
] as const;
type Signal = (typeof signals)[number]["value"];

export function Course({ story }: { story: Pick<Story, "id" | "state" | "ladder"> }) {
  const trpc = useTRPC();
  const [signal, setSignal] = useState<Signal>("errors");
  const { data } = useQuery(
    trpc.canaries.course.queryOptions(
      { id: story.id, signal },
      { refetchInterval: isRunning(story) ? 5_000 : false, placeholderData: keepPreviousData },
    ),
  );
  const points = data?.items ?? [];
  const last = points.at(-1);
  return (
    <Panel
      title="How both sides fare"
      aside={<Segmented label="Signal" size="s" options={signals} value={signal} onChange={setSignal} />}
    >
      {last && points.length > 1 ? (
        <>
          <IntervalChart
            label={`${signals.find(({ value }) => value === signal)?.label} of both sides since the start`}
            times={points.map(({ at }) => Date.parse(at))}
            series={[
              { label: "Stable", token: "--series-2", ...bandOf(points, "stable") },
              { label: "Canary", token: "--series-1", ...bandOf(points, "canary") },
            ]}
            marks={story.ladder.flatMap(({ beganAt, weight }) =>
              beganAt ? [{ at: Date.parse(beganAt), label: weightWords(weight) }] : [],
            )}
            format={percent}
          />
          <dl className={styles.sides}>
            {(["canary", "stable"] as const).map((side) => (
              <div key={side}>
                <dt className={styles[side]}>{side === "canary" ? "Canary" : "Stable"}</dt>
                <dd>
                  {percent(last[side].share)}{" "}
                  <span className={styles.faint}>
                    {count(last[side].x)} of {count(last[side].n)}, likely {percent(last[side].low)} to{" "}
                    {percent(last[side].high)}
                  </span>
                </dd>
              </div>
            ))}
          </dl>
        </>
      ) : (
        <EmptyState title={data ? "Nothing was counted yet" : "Reading what was counted"}>
          {data ? "A point appears here every five seconds, once callers come." : null}
        </EmptyState>
      )}
    </Panel>
  );
}

const bandOf = (points: CanaryCourse["items"], side: "stable" | "canary") => ({
  values: points.map((point) => point[side].share),
  lows: points.map((point) => (point[side].n > 0 ? point[side].low : null)),
  highs: points.map((point) => (point[side].n > 0 ? point[side].high : null)),
});
