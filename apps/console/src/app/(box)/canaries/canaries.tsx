// Every canary, running ones first: how far it is, and what the judge says of it.

"use client";

import type { CanaryItem } from "@signalbox/modules/canaries/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { Panel } from "@signalbox/ui/panel";
import { opensRow, Row, Rows, RowText } from "@signalbox/ui/rows";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { useUrl } from "@/use-url.ts";
import { PageHeader } from "../page-header.tsx";
import { QueryView } from "../query-view.tsx";
import { isRunning, stateWords, targetKinds, verdictWords, weightWords } from "./canary-words.ts";
import { Freezes } from "./freezes.tsx";
import { StartDialog } from "./start-dialog.tsx";

export function Canaries() {
  const trpc = useTRPC();
  const { params, set } = useUrl();
  const query = useQuery(trpc.canaries.list.queryOptions({}, { refetchInterval: 5_000 }));
  const items = query.data?.items ?? [];
  const running = items.filter(isRunning);
  const start = () => set({ start: "new" });

  return (
    <>
      <PageHeader
        title="Canaries"
        status={
          query.data ? (
            <Badge tone={running.length > 0 ? "accent" : "plain"}>
              {running.length > 0 ? `${running.length} under way` : "none under way"}
            </Badge>
          ) : null
        }
      >
        <Button tone="primary" onClick={start}>
          Start a canary
        </Button>
      </PageHeader>
      <QueryView query={query} what="Canaries">
        {({ partial }) => (
          <Panel label="Canaries" flush>
            {items.length > 0 ? (
              <Rows
                label="Canaries"
                columns="minmax(12rem, 4fr) 4rem 5rem minmax(8rem, 2fr) minmax(8rem, 2fr) minmax(8rem, 2fr)"
                heads={["Target", "Weight", "Step", "State", "Judge", "Next step"]}
              >
                {[...running, ...items.filter((item) => !isRunning(item))].map((item) => (
                  <CanaryRow key={item.id} item={item} />
                ))}
              </Rows>
            ) : (
              <EmptyState
                title={partial ? "Only canaries in force can be read now" : "There was no canary yet"}
                action={<Button onClick={start}>Start the first one</Button>}
              >
                A canary lets a few callers meet a change while everybody else does not, and a judge compares
                the two sides. Where the change is well it reaches more callers step by step; where it is
                worse it is taken away from all of them.
              </EmptyState>
            )}
          </Panel>
        )}
      </QueryView>
      <Freezes />
      {params.get("start") === "new" ? <StartDialog onClose={() => set({ start: null })} /> : null}
    </>
  );
}

function CanaryRow({ item }: { item: CanaryItem }) {
  const { aspect, word } = stateWords[item.state];
  const verdict = item.standing && verdictWords[item.standing.verdict];
  const running = isRunning(item);
  return (
    <Row
      tone={item.state === "frozen" ? "danger" : item.state === "paused" ? "caution" : undefined}
      quiet={!running}
    >
      <RowText lead>
        <Link href={`/canaries/${item.id}`} className={opensRow} data-step="" title={item.purpose}>
          <code>{item.name}</code> <Badge>{targetKinds[item.target.kind]}</Badge>
        </Link>
      </RowText>
      <RowText>{running || item.state === "promoted" ? weightWords(item.weight) : "–"}</RowText>
      <RowText faint>
        {item.step + 1} of {item.steps.length}
      </RowText>
      <RowText>
        <SignalLamp aspect={aspect}>{word}</SignalLamp>
      </RowText>
      <RowText>
        {running ? (
          <SignalLamp aspect={verdict?.aspect ?? "dark"} title={item.standing?.why ?? ""}>
            {verdict?.word ?? "Not judged yet"}
          </SignalLamp>
        ) : null}
      </RowText>
      <RowText faint>
        {running ? (
          <NextStep item={item} />
        ) : item.endedAt ? (
          <>
            ended <Moment at={item.endedAt} />
          </>
        ) : null}
      </RowText>
    </Row>
  );
}

/** When this step has baked; the judge may still hold it. */
export function NextStep({ item }: { item: Pick<CanaryItem, "bakesUntil" | "state"> }) {
  if (item.state === "ramping" && item.bakesUntil)
    return (
      <>
        earliest <Moment at={item.bakesUntil} future />
      </>
    );
  return <>waits for you</>;
}
