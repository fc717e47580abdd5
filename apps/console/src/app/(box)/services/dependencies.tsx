// What processes stand on, Postgres, Redis, the mail server: whether it is asked, and an operator's word on that.

"use client";

import type { DependencyItem } from "@signalbox/modules/control/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { ChoiceField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { type Aspect, SignalLamp } from "@signalbox/ui/signal-lamp";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { count } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { ChangedBy } from "../changed-by.tsx";
import { QueryView } from "../query-view.tsx";

const states: Record<DependencyItem["state"], [Aspect, string]> = {
  closed: ["clear", "Asked"],
  "half-open": ["caution", "Tried again"],
  open: ["danger", "Not asked"],
};

export function Dependencies() {
  const trpc = useTRPC();
  const query = useQuery(trpc.dependencies.list.queryOptions({}, { refetchInterval: 2_000 }));
  const [changed, setChanged] = useState<string | null>(null);
  const item = query.data?.items.find(({ name }) => name === changed);
  return (
    <QueryView query={query} what="Dependencies">
      {({ items }) => (
        <Panel title="Dependencies" aside="as each process sees them, of the last ten seconds" flush>
          <Rows
            label="Dependencies"
            columns="minmax(8rem, 2fr) 9rem minmax(9rem, 2fr) minmax(9rem, 2fr) minmax(0, 4fr) auto"
          >
            {items.map((it) => (
              <DependencyRow key={it.name} item={it} onChange={() => setChanged(it.name)} />
            ))}
          </Rows>
          {items.length === 0 ? <EmptyState title="No process says what it stands on yet" /> : null}
          {item ? <ForceDialog item={item} onClose={() => setChanged(null)} /> : null}
        </Panel>
      )}
    </QueryView>
  );
}

function DependencyRow({ item, onChange }: { item: DependencyItem; onChange: () => void }) {
  const sum = (pick: (one: DependencyItem["instances"][number]) => number) =>
    item.instances.reduce((all, one) => all + pick(one), 0);
  const [calls, failures] = [sum((one) => one.calls), sum((one) => one.failures)];
  const inside = sum((one) => one.bulkhead?.running ?? 0);
  const waiting = sum((one) => one.bulkhead?.waiting ?? 0);
  const room = sum((one) => one.bulkhead?.maxConcurrent ?? 0);
  const [aspect, word] = states[item.state];
  // The worst of them says why.
  const told = item.instances.find(({ state }) => state === item.state);
  return (
    <Row tone={item.state === "open" ? "danger" : item.state === "half-open" ? "caution" : undefined}>
      <RowText lead>{item.name}</RowText>
      <RowText>
        <SignalLamp aspect={aspect}>{word}</SignalLamp>
      </RowText>
      <RowText faint={calls === 0}>
        {count(calls)} calls{failures > 0 ? `, ${count(failures)} failed` : ""}
      </RowText>
      <RowText faint={inside === 0}>
        {room > 0
          ? `${count(inside)} of ${count(room)} at once${waiting > 0 ? `, ${count(waiting)} wait` : ""}`
          : ""}
      </RowText>
      <RowText wide>
        {item.force !== "auto" ? (
          <>
            <Badge tone="caution">{item.force === "open" ? "taken out" : "kept in use"}</Badge> {item.reason},{" "}
            <ChangedBy item={item} />
          </>
        ) : item.state !== "closed" && told ? (
          <>
            {told.process}: {told.reason}, since <Moment at={told.since} />
          </>
        ) : null}
      </RowText>
      <RowEnd>
        <Button size="s" tone="quiet" data-step="" onClick={onChange} aria-label={`Change ${item.name}`}>
          Change
        </Button>
      </RowEnd>
    </Row>
  );
}

const meanings: Record<DependencyItem["force"], string> = {
  auto: "The breaker of each process decides: it stops asking while too many calls fail, and tries again by itself.",
  open: "No process asks it at all. What can do without it goes on; everything else is refused at once.",
  closed: "Every process asks it whatever happens: calls wait and fail as they do.",
};

function ForceDialog({ item, onClose }: { item: DependencyItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const force = useMutation(
    trpc.dependencies.force.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.dependencies.list.queryKey() }),
    }),
  );
  const [to, setTo] = useState<DependencyItem["force"]>(item.force === "auto" ? "open" : "auto");
  return (
    <ChangeDialog
      title={`Whether ${item.name} is asked`}
      subtitle={meanings[to]}
      done={`${item.name}: ${to === "auto" ? "its breaker decides" : to === "open" ? "taken out" : "kept in use"}`}
      onClose={onClose}
      change={force}
      onSubmit={(said, expiresAt) => force.mutate({ name: item.name, force: to, ...said, expiresAt })}
      failed="Nothing was changed"
      needs="operator"
      submit={
        force.isPending
          ? "Waiting for confirmations"
          : to === "open"
            ? "Take it out"
            : to === "closed"
              ? "Keep it in use"
              : "Let its breaker decide"
      }
      tone={to === "open" ? "danger" : "primary"}
      mayExpire
      lead={
        <ChoiceField
          label="Decided by"
          options={[
            { value: "auto", label: "Its breaker" },
            { value: "open", label: "Taken out", tone: "danger" },
            { value: "closed", label: "Kept in use" },
          ]}
          value={to}
          onChange={setTo}
        />
      }
    />
  );
}
