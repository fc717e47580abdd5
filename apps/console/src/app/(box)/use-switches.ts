// The switches as the whole console sees them, and word of what others turn.

"use client";

import { useToast } from "@signalbox/ui/toasts";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { useTRPC } from "@/trpc.ts";
import { aspectOf, stateWords } from "./state-words.ts";

export function useSwitches({ announce = false } = {}) {
  const trpc = useTRPC();
  const query = useQuery(trpc.switches.list.queryOptions({}, { refetchInterval: 5_000 }));
  const session = useQuery(trpc.session.read.queryOptions(undefined, { staleTime: 60_000 }));
  const me = session.data?.operator.id;
  const items = query.data?.items;
  const toast = useToast();
  const seen = useRef<Map<string, number>>(undefined);

  useEffect(() => {
    if (!announce || !items) return;
    const before = seen.current;
    seen.current = new Map(items.map((item) => [item.key, item.revision]));
    if (!before) return;
    for (const item of items) {
      if (item.revision <= (before.get(item.key) ?? 0) || item.changedBy?.id === me) continue;
      const by = item.changedBy?.name ?? "someone";
      toast(aspectOf(item), `${by} turned ${item.key} ${stateWords(item)}: ${item.reason}`);
    }
  }, [announce, items, me, toast]);

  return {
    ...query,
    items,
    byKey: useMemo(() => new Map(items?.map((item) => [item.key, item])), [items]),
    /** Turned off under this very key, for all or for a share. */
    turnedOff: useMemo(() => items?.filter((item) => item.state === "off") ?? [], [items]),
  };
}
