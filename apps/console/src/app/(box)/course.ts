// The course of the headline figures, as the platform counted them: spans of 5 s, and minutes for an hour.

"use client";

import type { CoursePoint } from "@signalbox/modules/control/schema";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTRPC } from "@/trpc.ts";
import { courseWindow, type Span } from "./choices.ts";
import { tightest } from "./headline.ts";

export type Sample = {
  at: number;
  rps: number | null;
  errorRate: number | null;
  p95: number | null;
  p99: number | null;
  saturation: number | null;
};

export function useCourse(window: Span): Sample[] {
  const trpc = useTRPC();
  const { data } = useQuery(
    trpc.signals.course.queryOptions(
      { window: courseWindow(window) },
      { refetchInterval: 5_000, placeholderData: keepPreviousData },
    ),
  );
  return useMemo(() => data?.items.map(toSample) ?? [], [data]);
}

/** Where no process counted there is a hole, not a zero. */
function toSample(point: CoursePoint): Sample {
  const at = Date.parse(point.at) / 1000;
  if (point.instances.length === 0)
    return { at, rps: null, errorRate: null, p95: null, p99: null, saturation: null };
  const { rps, errorRate, p95, p99 } = point;
  return { at, rps, errorRate, p95, p99, saturation: tightest(point)?.share ?? null };
}
