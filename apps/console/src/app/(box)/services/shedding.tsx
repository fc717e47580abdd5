// How much each service takes at once before it refuses, how full it is, and whether it is refusing now.

"use client";

import type { ShedItem } from "@signalbox/modules/control/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { ChoiceField, TextField } from "@signalbox/ui/field";
import { More } from "@signalbox/ui/more";
import { Panel } from "@signalbox/ui/panel";
import { type Aspect, SignalLamp } from "@signalbox/ui/signal-lamp";
import { Cell, HeadRow, Table } from "@signalbox/ui/table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { count } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { QueryView } from "../query-view.tsx";
import { useMay } from "../use-may.ts";
import styles from "./services.module.css";

type Open = { item: ShedItem; to: "change" | "reset" };

export function Shedding() {
  const trpc = useTRPC();
  const query = useQuery(trpc.shed.list.queryOptions({}, { refetchInterval: 2_000 }));
  const may = useMay("operator");
  const [open, setOpen] = useState<Open | null>(null);
  return (
    <QueryView query={query} what="Load of services">
      {({ items }) => (
        <Panel title="Load" aside="how much each service takes at once before it refuses" flush>
          <Table label="Load of services">
            <HeadRow
              texts={["Service", "State"]}
              numbers={["Under way", "Takes now", "At most", "Wait", "Refused", "Latency"]}
              actions
            />
            <tbody>
              {items.map((item) => (
                <ShedRow
                  key={item.key}
                  item={item}
                  may={may !== false}
                  onOpen={(to) => setOpen({ item, to })}
                />
              ))}
            </tbody>
          </Table>
          {open?.to === "change" ? <ShedDialog item={open.item} onClose={() => setOpen(null)} /> : null}
          {open?.to === "reset" ? <ResetDialog item={open.item} onClose={() => setOpen(null)} /> : null}
        </Panel>
      )}
    </QueryView>
  );
}

function ShedRow({ item, may, onOpen }: { item: ShedItem; may: boolean; onOpen: (to: Open["to"]) => void }) {
  const sum = (pick: (one: ShedItem["instances"][number]) => number) =>
    item.instances.reduce((all, one) => all + pick(one), 0);
  const isAll = item.key === "*";
  /** A process knows of a service once it was called there. */
  const isCalled = item.instances.length > 0;
  const figure = (value: number) => (isCalled ? count(value) : isAll ? "" : "–");
  const [inFlight, limit, waiting] = [
    sum((one) => one.inFlight),
    sum((one) => one.limit),
    sum((one) => one.waiting),
  ];
  const overloaded = item.instances.some((one) => one.overloaded);
  const [aspect, word]: [Aspect, string] = overloaded
    ? ["danger", "Refuses"]
    : waiting > 0
      ? ["caution", "Calls wait"]
      : ["clear", "Takes all"];
  const slowest = Math.max(0, ...item.instances.map((one) => one.latencyRatio));
  return (
    <tr>
      <th scope="row" title={item.reason || undefined}>
        <span className={styles.name}>{isAll ? "Every service" : item.key}</span>{" "}
        {item.revision > 0 ? <Badge tone="caution">set by {item.changedBy?.name}</Badge> : null}
      </th>
      <Cell>
        {isAll ? null : (
          <SignalLamp aspect={isCalled ? aspect : "dark"}>{isCalled ? word : "Not called yet"}</SignalLamp>
        )}
      </Cell>
      <Cell numeric tone={inFlight === 0 ? "faint" : undefined}>
        {figure(inFlight)}
      </Cell>
      <Cell numeric tone={isCalled ? undefined : "faint"}>
        {figure(limit)}
      </Cell>
      <Cell numeric tone="faint">
        {count(item.values.maxInFlight)}
      </Cell>
      <Cell numeric tone={waiting > 0 ? "caution" : "faint"}>
        {figure(waiting)}
      </Cell>
      <Cell numeric tone={sum((one) => one.refused) > 0 ? "caution" : "faint"}>
        {figure(sum((one) => one.refused))}
      </Cell>
      <Cell numeric tone={slowest > item.values.tolerance ? "caution" : "faint"}>
        {isCalled ? `${slowest.toFixed(1)} ×` : isAll ? "" : "–"}
      </Cell>
      <Cell numeric>
        {item.revision > 0 ? (
          <Button
            size="s"
            tone="quiet"
            onClick={() => onOpen("reset")}
            disabled={!may}
            aria-label={`Reset the load of ${item.key}`}
          >
            Reset
          </Button>
        ) : null}
        <Button
          size="s"
          tone="quiet"
          data-step=""
          onClick={() => onOpen("change")}
          disabled={!may}
          aria-label={`Change the load of ${item.key}`}
        >
          Change
        </Button>
      </Cell>
    </tr>
  );
}

const numbers = {
  maxInFlight: { label: "At most at once", hint: "The place between least and most is found by itself." },
  minInFlight: { label: "At least at once", hint: undefined },
  patienceMs: { label: "Patience in ms", hint: "How long a call may wait for its turn." },
  maxQueue: { label: "How many may wait", hint: undefined },
  tolerance: { label: "Times its quiet latency", hint: "Slower than that, and fewer are let in." },
  eventLoopDelayMs: { label: "Event-loop delay in ms", hint: "Above it background calls are refused." },
} as const;
type Name = keyof typeof numbers;
const names = Object.keys(numbers) as Name[];
const inSight: readonly Name[] = ["maxInFlight", "patienceMs"];

function ShedDialog({ item, onClose }: { item: ShedItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const set = useMutation(
    trpc.shed.set.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.shed.pathKey() }),
    }),
  );
  const [typed, setTyped] = useState(
    () => Object.fromEntries(names.map((name) => [name, String(item.values[name])])) as Record<Name, string>,
  );
  const [degrade, setDegrade] = useState(item.values.degrade);
  const faultOf = (name: Name) =>
    typed[name].trim() !== "" && Number(typed[name]) >= 0 ? undefined : "A number.";
  const changed = {
    ...Object.fromEntries(
      names.flatMap((name) =>
        Number(typed[name]) === item.values[name] ? [] : [[name, Number(typed[name])]],
      ),
    ),
    ...(degrade === item.values.degrade ? {} : { degrade }),
  };
  const isChanged = Object.keys(changed).length > 0;
  const who = item.key === "*" ? "every service" : item.key;
  return (
    <ChangeDialog
      title={`How much ${who} takes at once`}
      subtitle="What is set here holds beside what is found by itself: too little refuses callers, too much slows all of them."
      done={`The load of ${who} is changed`}
      onClose={onClose}
      change={set}
      onSubmit={(said, expiresAt) =>
        set.mutate({ key: item.key, ...item.set, ...changed, ...said, expiresAt })
      }
      failed="The load was not changed"
      needs="operator"
      submit={set.isPending ? "Waiting for confirmations" : "Change the load"}
      valid={isChanged && names.every((name) => !faultOf(name))}
      mayExpire
      fields={({ tried, serverFault }) => {
        const field = (name: Name) => (
          <TextField
            key={name}
            label={numbers[name].label}
            inputMode="decimal"
            value={typed[name]}
            onChange={(event) => setTyped({ ...typed, [name]: event.target.value })}
            fault={
              serverFault(name) ??
              (tried ? (faultOf(name) ?? (isChanged ? undefined : "Nothing is changed yet.")) : undefined)
            }
            hint={numbers[name].hint}
          />
        );
        return (
          <>
            <div className={styles.pair}>{inSight.map(field)}</div>
            <ChoiceField
              label="While there is more to do than can be done"
              options={[
                { value: "yes", label: "Leave optional parts out first" },
                { value: "no", label: "Refuse at once" },
              ]}
              value={degrade ? "yes" : "no"}
              onChange={(value) => setDegrade(value === "yes")}
            />
            <More label="More">
              <div className={styles.pair}>{names.filter((name) => !inSight.includes(name)).map(field)}</div>
            </More>
          </>
        );
      }}
    />
  );
}

function ResetDialog({ item, onClose }: { item: ShedItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const reset = useMutation(
    trpc.shed.reset.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.shed.pathKey() }),
    }),
  );
  return (
    <ChangeDialog
      title={`The load of ${item.key === "*" ? "every service" : item.key} back to its default`}
      subtitle={item.reason}
      done="It is as by default"
      onClose={onClose}
      change={reset}
      onSubmit={(said) => reset.mutate({ key: item.key, ...said })}
      failed="The load was not reset"
      needs="operator"
      submit={reset.isPending ? "Waiting for confirmations" : "Reset"}
    />
  );
}
