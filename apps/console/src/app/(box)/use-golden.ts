// Golden signals as they come: pushed by the operator API, polled where the stream is down, and never shown as newer than they are.

"use client";

import type { Golden } from "@signalbox/modules/control/schema";
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useNow } from "@/now.ts";
import { useTRPC } from "@/trpc.ts";
import type { Grouping, Span } from "./choices.ts";

const pollMs = 5_000;
const retryMs = 4_000;
const silentMs = 8_000;
/** Two missed slots of 5 s, and what a request takes. */
const staleMs = 12_000;

export type Freshness = { state: "connecting" | "live" | "polling" | "stale"; ageMs: number };

export function useGolden(window: Span, by: Grouping) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const streaming = useStream(window, by, (golden) =>
    queryClient.setQueryData(trpc.signals.golden.queryKey({ window, by }), golden),
  );
  const query = useQuery(
    trpc.signals.golden.queryOptions(
      { window, by },
      { refetchInterval: streaming ? false : pollMs, placeholderData: keepPreviousData },
    ),
  );
  return { ...query, golden: query.data, freshness: useFreshness(query.dataUpdatedAt, streaming) };
}

/** The same without a stream, for figures beside the table: a browser opens only six connections to one host. */
export function useGoldenPoll(window: Span, by: Grouping, enabled = true) {
  const trpc = useTRPC();
  return useQuery(
    trpc.signals.golden.queryOptions(
      { window, by },
      { enabled, refetchInterval: pollMs, placeholderData: keepPreviousData },
    ),
  );
}

function useFreshness(updatedAt: number, streaming: boolean): Freshness {
  const now = useNow();
  if (updatedAt === 0 || now === 0) return { state: "connecting", ageMs: 0 };
  const ageMs = Math.max(0, now - updatedAt);
  if (ageMs > staleMs) return { state: "stale", ageMs };
  return { state: streaming ? "live" : "polling", ageMs };
}

/** Whether events come in: a stream that is open and says nothing counts as down. A tab out of sight gives its connection back. */
function useStream(window: Span, by: Grouping, receive: (golden: Golden) => void): boolean {
  const [open, setOpen] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `receive` is made anew at each render and does the same
  useEffect(() => {
    let source: EventSource | undefined;
    let retry: ReturnType<typeof setTimeout> | undefined;
    let silence: ReturnType<typeof setTimeout> | undefined;

    function connect() {
      clearTimeout(retry);
      source?.close();
      source = new EventSource(`/operator/v1/signals/stream?window=${window}&by=${by}`);
      const onEvent = (event: MessageEvent<string>) => {
        const golden = JSON.parse(event.data) as Golden;
        if (golden.window !== window || golden.by !== by) return;
        setOpen(true);
        clearTimeout(silence);
        silence = setTimeout(() => setOpen(false), silentMs);
        receive(golden);
      };
      source.addEventListener("message", onEvent);
      source.addEventListener("golden", onEvent);
      source.onerror = () => {
        setOpen(false);
        // After an HTTP error the browser gives up for good.
        if (source?.readyState === EventSource.CLOSED) retry = setTimeout(connect, retryMs);
      };
    }
    function close() {
      clearTimeout(retry);
      clearTimeout(silence);
      source?.close();
      setOpen(false);
    }
    const onVisibility = () => (document.hidden ? close() : connect());

    onVisibility();
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      document.removeEventListener("visibilitychange", onVisibility);
      close();
    };
  }, [window, by]);
  return open;
}
