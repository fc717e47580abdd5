// What is done behind the scenes: how far each queue is, what could not be done, and the copies that are made from the truth.

"use client";

import { Badge } from "@signalbox/ui/badge";
import { useQuery } from "@tanstack/react-query";
import { count } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { PageHeader } from "../page-header.tsx";
import { Copies } from "./copies.tsx";
import { DeadLetters } from "./dead-letters.tsx";
import { Queues } from "./queues.tsx";

export function Work() {
  const trpc = useTRPC();
  const query = useQuery(trpc.queues.list.queryOptions({}, { refetchInterval: 2_000 }));
  const items = query.data?.items ?? [];
  const dead = items.reduce((all, { deadLetters, failed }) => all + deadLetters + (failed ?? 0), 0);
  const waiting = items.reduce((all, { depth }) => all + (depth ?? 0), 0);
  return (
    <>
      <PageHeader
        title="Work"
        status={
          query.data ? (
            <Badge tone={dead > 0 ? "danger" : "clear"}>
              {dead > 0 ? `${count(dead)} failed` : waiting > 0 ? `${count(waiting)} waiting` : "all done"}
            </Badge>
          ) : null
        }
        about="What is done behind the scenes, once a caller has his answer: events that modules react to, and work that was asked for."
      />
      <Queues query={query} />
      <DeadLetters queues={items.filter(({ kind }) => kind === "consumer").map(({ key }) => key)} />
      <Copies />
    </>
  );
}
