// Which endpoint it is. The order stands still while someone points at a row: a row that moves is a wrong switch turned.

"use client";

import type { Golden, SwitchItem } from "@signalbox/modules/control/schema";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { FilterField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { Segmented } from "@signalbox/ui/segmented";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { Cell, SortHeading, Table } from "@signalbox/ui/table";
import Link from "next/link";
import { useState } from "react";
import { compact, count, milliseconds, percent, sentenceCase } from "@/format.ts";
import { nextSort, type Params, readSort, type Sort, writeSort } from "@/url-state.ts";
import type { Grouping } from "./choices.ts";
import { judge } from "./headline.ts";
import styles from "./overview.module.css";
import { aspectOf, stateWords } from "./state-words.ts";
import { useSwitches } from "./use-switches.ts";

type Item = Golden["items"][number];

const columns = [
  ["rps", "Req/s"],
  ["requests", "Requests"],
  ["errors", "Errors"],
  ["errorRate", "Error rate"],
  ["refused", "Refused"],
  ["p50", "p50"],
  ["p95", "p95"],
  ["p99", "p99"],
] as const satisfies [keyof Item, string][];

const sortable = ["key", ...columns.map(([column]) => column)] as const;
type Column = (typeof sortable)[number];

const firstSort: Sort<Column> = { by: "rps", direction: "desc" };

const names: Record<Grouping, string> = {
  endpoint: "Endpoint",
  service: "Service",
  version: "Version",
  track: "Track",
};

export function EndpointTable({
  golden,
  by,
  params,
  set,
  failed,
}: {
  golden: Golden | undefined;
  by: Grouping;
  params: Params;
  set: (changes: Record<string, string | null>) => void;
  failed: boolean;
}) {
  const [typed, setTyped] = useState(params.get("q") ?? "");
  const [held, setHeld] = useState<string[] | null>(null);
  const { byKey } = useSwitches();
  const sort = readSort(sortable, firstSort, params);

  function filter(text: string) {
    setTyped(text);
    set({ q: text.trim() });
  }

  const wanted = typed.trim().toLowerCase();
  const found = golden?.items.filter((item) => item.key.toLowerCase().includes(wanted)) ?? [];
  const rows = inOrder(found, sort, held);
  const top = Math.max(...found.map(({ rps }) => rps), 0);

  return (
    <Panel
      title={`${names[by]}s`}
      flush
      aside={
        <>
          <FilterField label="Filter" value={typed} onChange={(event) => filter(event.target.value)} />
          <Segmented
            label="Group by"
            size="s"
            options={(["endpoint", "service", "version", "track"] as const).map((value) => ({
              value,
              label: names[value],
            }))}
            value={by}
            onChange={(value) => set({ by: value })}
          />
        </>
      }
    >
      {/* biome-ignore lint/a11y/noStaticElementInteractions: it only notes where the pointer is */}
      <div
        onPointerEnter={() => setHeld(rows.map(({ key }) => key))}
        onPointerLeave={() => setHeld(null)}
        onFocus={() => setHeld((now) => now ?? rows.map(({ key }) => key))}
        onBlur={() => setHeld(null)}
      >
        <Table label={`${names[by]}s by their golden signals`}>
          <thead>
            <tr>
              <SortHeading column="key" sort={sort} onSort={onSort}>
                {names[by]}
              </SortHeading>
              {columns.map(([column, name]) => (
                <SortHeading key={column} column={column} sort={sort} onSort={onSort} numeric>
                  {name}
                </SortHeading>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((item) => (
              <Row
                key={item.key}
                item={item}
                top={top}
                turned={by === "endpoint" || by === "service" ? byKey.get(item.key) : undefined}
              />
            ))}
          </tbody>
        </Table>
      </div>
      {rows.length === 0 ? (
        <Nothing golden={golden} wanted={typed} clear={() => filter("")} failed={failed} />
      ) : null}
    </Panel>
  );

  function onSort(column: Column) {
    setHeld(null);
    set({ sort: writeSort(nextSort(sort, column, column === "key" ? "asc" : "desc")) });
  }
}

function Row({ item, top, turned }: { item: Item; top: number; turned: SwitchItem | undefined }) {
  const share = top > 0 ? (item.rps / top) * 100 : 0;
  return (
    <tr>
      <th scope="row" className={styles.endpoint}>
        <div>
          {turned ? (
            <Link href={`/switches?flip=${encodeURIComponent(item.key)}`} title="To its switch">
              <code>{item.key}</code>
            </Link>
          ) : (
            <code>{item.key}</code>
          )}
          {turned && turned.effective.state === "off" ? (
            <Link
              className={styles.turned}
              href={`/switches?flip=${encodeURIComponent(turned.effective.by ?? item.key)}`}
              title={
                turned.effective.by && turned.effective.by !== item.key
                  ? `by ${turned.effective.by}`
                  : undefined
              }
            >
              <SignalLamp aspect={aspectOf(turned.effective)}>
                {sentenceCase(stateWords(turned.effective))}
              </SignalLamp>
            </Link>
          ) : null}
        </div>
      </th>
      <Cell numeric>
        <span className={styles.meter} style={{ "--share": `${share.toFixed(1)}%` } as React.CSSProperties}>
          {compact(item.rps)}
        </span>
      </Cell>
      <Cell numeric>{count(item.requests)}</Cell>
      <Cell numeric tone={item.errors === 0 ? "faint" : undefined}>
        {count(item.errors)}
      </Cell>
      <Cell
        numeric
        tone={tone(judge("errorRate", item.errorRate)) ?? (item.errors === 0 ? "faint" : undefined)}
      >
        {percent(item.errorRate)}
      </Cell>
      <Cell numeric tone={item.refused === 0 ? "faint" : undefined}>
        {count(item.refused)}
      </Cell>
      <Cell numeric>{milliseconds(item.p50)}</Cell>
      <Cell numeric tone={tone(judge("latencyMs", item.p95))}>
        {milliseconds(item.p95)}
      </Cell>
      <Cell numeric>{milliseconds(item.p99)}</Cell>
    </tr>
  );
}

function Nothing({
  golden,
  wanted,
  clear,
  failed,
}: {
  golden: Golden | undefined;
  wanted: string;
  clear: () => void;
  failed: boolean;
}) {
  if (!golden)
    return (
      <EmptyState title={failed ? "No figures yet" : "Reading signals…"}>
        {failed ? "They appear as soon as the operator API answers." : null}
      </EmptyState>
    );
  if (golden.items.length > 0)
    return (
      <EmptyState
        title={`Nothing matches “${wanted}”`}
        action={<Button onClick={clear}>Clear the filter</Button>}
      />
    );
  return (
    <EmptyState title="No requests in this window">
      Figures appear within 5 seconds of the first call. Try a longer window, or start with sample traffic:{" "}
      <code>./signalbox up --demo</code>
    </EmptyState>
  );
}

/** Only what needs an eye is coloured. */
const tone = (aspect: ReturnType<typeof judge>) =>
  aspect === "danger" || aspect === "caution" ? aspect : undefined;

function inOrder(items: Item[], { by, direction }: Sort<Column>, held: string[] | null): Item[] {
  const sign = direction === "desc" ? -1 : 1;
  const sorted = items.toSorted((a, b) => {
    if (by === "key") return sign * a.key.localeCompare(b.key);
    // What has no figure stands last, whichever way.
    const [left, right] = [a[by], b[by]];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return sign * (left - right) || a.key.localeCompare(b.key);
  });
  if (!held) return sorted;
  const place = new Map(held.map((key, at) => [key, at]));
  return sorted.toSorted((a, b) => (place.get(a.key) ?? held.length) - (place.get(b.key) ?? held.length));
}
