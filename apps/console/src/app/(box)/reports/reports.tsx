// What people reported, all reports of one thing together, with what one needs to decide. The longest waiting stands first.

"use client";

import type { CaseItem } from "@signalbox/modules/moderation/schema";
import { Badge } from "@signalbox/ui/badge";
import { EmptyState } from "@signalbox/ui/empty-state";
import { Panel } from "@signalbox/ui/panel";
import { Segmented } from "@signalbox/ui/segmented";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTRPC } from "@/trpc.ts";
import { readChoice } from "@/url-state.ts";
import { useUrl } from "@/use-url.ts";
import { PageHeader } from "../page-header.tsx";
import { QueryView } from "../query-view.tsx";
import { CaseCard } from "./case-card.tsx";
import { states } from "./choices.ts";
import { DecideDialog, type Decision } from "./decide-dialog.tsx";

export function Reports() {
  const trpc = useTRPC();
  const { params, set } = useUrl({ state: "open" });
  const state = readChoice(states, params);
  const query = useQuery(trpc.cases.list.queryOptions({ state }, { refetchInterval: 3_000 }));
  const [deciding, setDeciding] = useState<{ item: CaseItem; decision: Decision } | null>(null);

  return (
    <>
      <PageHeader
        title="Reports"
        status={
          state === "open" && query.data ? (
            <Badge tone={query.data.items.length > 0 ? "accent" : "clear"}>
              {query.data.items.length > 0 ? `${query.data.items.length} to decide` : "nothing waits"}
            </Badge>
          ) : null
        }
      >
        <Segmented
          label="Show"
          size="s"
          options={[
            { value: "open", label: "To decide" },
            { value: "decided", label: "Decided" },
          ]}
          value={state}
          onChange={(value) => set({ state: value })}
        />
      </PageHeader>
      <QueryView query={query} what="Reports">
        {({ items }) =>
          items.length === 0 ? (
            <Panel label="Reports" flush>
              <EmptyState
                title={state === "open" ? "No report waits for a decision" : "Nothing was decided yet"}
              >
                {state === "open"
                  ? "What people report appears here within seconds, with what was reported and by how many."
                  : null}
              </EmptyState>
            </Panel>
          ) : (
            items.map((item) => (
              <CaseCard
                key={`${item.subject.kind} ${item.subject.id}`}
                item={item}
                onDecide={state === "open" ? (decision) => setDeciding({ item, decision }) : undefined}
              />
            ))
          )
        }
      </QueryView>
      {deciding ? <DecideDialog {...deciding} onClose={() => setDeciding(null)} /> : null}
    </>
  );
}
