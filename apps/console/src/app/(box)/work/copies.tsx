// Read models: copies that are made from the truth, and made anew where they differ, while they are in use.

"use client";

import { Button } from "@signalbox/ui/button";
import { Panel } from "@signalbox/ui/panel";
import { Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { inferRouterOutputs } from "@trpc/server";
import { useState } from "react";
import { count, percent, sentenceCase } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import type { OperatorRouter } from "@/operator-router.ts";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { QueryView } from "../query-view.tsx";
import { useMay } from "../use-may.ts";

type ReadModelItem = inferRouterOutputs<OperatorRouter>["readModels"]["list"]["items"][number];

export function Copies() {
  const trpc = useTRPC();
  const query = useQuery(trpc.readModels.list.queryOptions({}, { refetchInterval: 3_000 }));
  const may = useMay("operator");
  const [asked, setAsked] = useState<{ item: ReadModelItem; compareOnly: boolean } | null>(null);
  return (
    <QueryView query={query} what="Copies">
      {({ items }) => (
        <Panel title="Copies" aside="made from the truth, and made anew while they are in use" flush>
          <Rows label="Copies" columns="minmax(9rem, 2fr) minmax(12rem, 5fr) minmax(9rem, 3fr) auto">
            {items.map((item) => {
              const isRunning = item.run?.state === "running";
              return (
                <Row key={item.name}>
                  <RowText lead>{item.name}</RowText>
                  <RowText faint wide wraps>
                    {sentenceCase(item.text)}
                  </RowText>
                  <RowText wide wraps>
                    <Run run={item.run} />
                  </RowText>
                  <RowEnd>
                    <Button
                      size="s"
                      tone="quiet"
                      onClick={() => setAsked({ item, compareOnly: true })}
                      disabled={may === false || isRunning}
                      aria-label={`Compare ${item.name}`}
                    >
                      Compare
                    </Button>
                    <Button
                      size="s"
                      onClick={() => setAsked({ item, compareOnly: false })}
                      disabled={may === false || isRunning}
                      aria-label={`Mend ${item.name}`}
                    >
                      Mend
                    </Button>
                  </RowEnd>
                </Row>
              );
            })}
          </Rows>
          {asked ? <RebuildDialog {...asked} onClose={() => setAsked(null)} /> : null}
        </Panel>
      )}
    </QueryView>
  );
}

function Run({ run }: { run: ReadModelItem["run"] }) {
  if (!run) return null;
  if (run.error) return <SignalLamp aspect="danger">Stands still: {run.error}</SignalLamp>;
  if (run.state === "running")
    return (
      <SignalLamp aspect="caution">
        {run.heals ? "Is mended" : "Is compared"}, {percent(run.total > 0 ? run.done / run.total : 0)}
        {run.wrong > 0 ? `, ${count(run.wrong)} wrong` : ""}
      </SignalLamp>
    );
  return (
    <SignalLamp aspect={run.wrong > 0 && !run.heals ? "danger" : "clear"}>
      {run.wrong === 0
        ? `All ${count(run.done)} right`
        : `${count(run.wrong)} of ${count(run.done)} ${run.heals ? "mended" : "wrong"}`}
      {run.finishedAt ? (
        <>
          , <Moment at={run.finishedAt} />
        </>
      ) : null}
    </SignalLamp>
  );
}

function RebuildDialog({
  item,
  compareOnly,
  onClose,
}: {
  item: ReadModelItem;
  compareOnly: boolean;
  onClose: () => void;
}) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const rebuild = useMutation(
    trpc.readModels.rebuild.mutationOptions({
      onSuccess() {
        onClose();
        return queryClient.invalidateQueries({ queryKey: trpc.readModels.pathKey() });
      },
    }),
  );
  return (
    <ChangeDialog
      title={`${compareOnly ? "Compare" : "Mend"} ${item.name}`}
      subtitle={
        compareOnly
          ? "Goes over all of it and counts what is not as the truth has it. Changes nothing."
          : "Goes over all of it and mends what is not as the truth has it, while it is in use."
      }
      onClose={onClose}
      change={rebuild}
      onSubmit={(said) => rebuild.mutate({ name: item.name, compareOnly, ...said })}
      failed="It was not begun"
      needs="operator"
      submit={compareOnly ? "Compare" : "Mend"}
    />
  );
}
