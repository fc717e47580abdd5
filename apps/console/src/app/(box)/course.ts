// The course of the headline figures since the console was opened, one sample each 5 s, kept over changes of page.

"use client";

import type { Golden } from "@signalbox/modules/control/schema";
import { skipToken, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { headline } from "./headline.ts";
import { useGoldenPoll } from "./use-golden.ts";

export type Sample = {
  at: number;
  rps: number | null;
  errorRate: number | null;
  p95: number | null;
  p99: number | null;
  saturation: number | null;
};

const key = ["course"];
const maxSamples = 800;
/** A hole in the samples longer than this is drawn as a hole. */
const gapSeconds = 16;

/** Once, in the frame of the console. */
export function useCourseSampler() {
  const client = useQueryClient();
  const [ready, setReady] = useState(false);
  useEffect(() => {
    // Not before the page, which may stream in after its frame, has taken over the figures that the server gave it.
    const timer = setTimeout(() => setReady(true), 2_000);
    return () => clearTimeout(timer);
  }, []);
  const { data, isPlaceholderData } = useGoldenPoll("30s", "track", ready);
  useEffect(() => {
    if (data && !isPlaceholderData) client.setQueryData<Sample[]>(key, (past = []) => append(past, data));
  }, [client, data, isPlaceholderData]);
}

export function useCourse(): Sample[] {
  return (
    useQuery<Sample[]>({ queryKey: key, queryFn: skipToken, staleTime: Number.POSITIVE_INFINITY }).data ?? []
  );
}

export function append(past: Sample[], golden: Golden): Sample[] {
  const at = Date.parse(golden.at) / 1000;
  const last = past.at(-1);
  if (last && at <= last.at) return past;
  const { rps, errorRate, p95, p99, saturation } = headline(golden);
  const hole: Sample[] =
    last && at - last.at > gapSeconds
      ? [{ at: last.at + 1, rps: null, errorRate: null, p95: null, p99: null, saturation: null }]
      : [];
  return [...past, ...hole, { at, rps, errorRate, p95, p99, saturation: saturation?.share ?? null }].slice(
    -maxSamples,
  );
}
