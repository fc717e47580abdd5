// How often callers may call: every limit, what it refuses now, and who changed it. What is open is in the address.

"use client";

import type { Golden, LimitItem } from "@signalbox/modules/control/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { FilterField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { opensRow, Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { useQuery } from "@tanstack/react-query";
import { count } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { useUrl } from "@/use-url.ts";
import { ChangedBy } from "../changed-by.tsx";
import { rateWords } from "../event-words.ts";
import { HistoryPanel } from "../history-panel.tsx";
import { PageHeader } from "../page-header.tsx";
import { QueryView } from "../query-view.tsx";
import { useFilter } from "../use-filter.ts";
import { useGoldenPoll } from "../use-golden.ts";
import { useHeld } from "../use-held.ts";
import { useSwitches } from "../use-switches.ts";
import { LimitDialog } from "./limit-dialog.tsx";
import { callsBelow, countsWhat } from "./limit-words.ts";
import styles from "./limits.module.css";
import { ResetDialog } from "./reset-dialog.tsx";

export function Limits() {
  const trpc = useTRPC();
  const { params, set } = useUrl();
  const [typed, filter] = useFilter();
  const { byKey } = useSwitches();
  const { data: golden } = useGoldenPoll("5m", "endpoint");
  const query = useQuery(trpc.limits.list.queryOptions({}, { refetchInterval: 5_000 }));
  const items = query.data?.items ?? [];
  const byLimit = new Map(items.map((item) => [item.key, item]));
  const changed = items.filter(({ isDefault }) => !isDefault).length;

  const edited = params.get("edit") ?? "";
  const mayEdit = edited === "new" || byLimit.has(edited) || byKey.has(edited);
  const toReset = params.get("reset");
  const reset = useHeld(
    toReset,
    items.find(({ key, isDefault }) => key === toReset && !isDefault),
  );
  const told = params.get("history");
  const wanted = typed.trim().toLowerCase();
  const close = () => set({ edit: null, reset: null, history: null });

  return (
    <>
      <PageHeader
        title="Limits"
        status={
          query.data ? (
            <Badge tone={changed > 0 ? "caution" : "clear"}>
              {changed > 0 ? `${changed} changed` : "all at their defaults"}
            </Badge>
          ) : null
        }
      >
        <FilterField
          label="Filter by key, reason or person"
          value={typed}
          onChange={(event) => filter(event.target.value)}
        />
        <Button onClick={() => set({ edit: "new" })}>Limit another call</Button>
      </PageHeader>
      <QueryView query={query} what="Limits">
        {() => {
          const shown = items.filter(({ key, reason, changedBy }) =>
            [key, reason, changedBy?.name ?? ""].some((text) => text.toLowerCase().includes(wanted)),
          );
          return (
            <Panel label="Limits" flush>
              <Rows
                label="Limits"
                columns="minmax(12rem, 4fr) minmax(11rem, 3fr) minmax(9rem, 3fr) 5.5rem minmax(8rem, 4fr) auto"
                heads={["Limit", "Allows", "Counts", "Refused, 5 min", "", ""]}
              >
                {shown.map((item) => (
                  <LimitRow key={item.key} item={item} golden={golden} set={set} />
                ))}
              </Rows>
              {shown.length === 0 ? (
                <EmptyState
                  title={`No limit matches “${typed.trim()}”`}
                  action={<Button onClick={() => filter("")}>Clear the filter</Button>}
                />
              ) : null}
            </Panel>
          );
        }}
      </QueryView>
      {mayEdit && (query.data || edited === "new") ? (
        <LimitDialog
          key={edited}
          name={edited === "new" ? undefined : edited}
          item={byLimit.get(edited)}
          onClose={close}
        />
      ) : null}
      {reset ? <ResetDialog key={reset.key} item={reset} onClose={close} /> : null}
      {told && byLimit.has(told) ? (
        <HistoryPanel key={told} name={told} never="Nobody ever changed this limit" onClose={close} />
      ) : null}
    </>
  );
}

function LimitRow({
  item,
  golden,
  set,
}: {
  item: LimitItem;
  golden: Golden | undefined;
  set: (changes: Record<string, string | null>) => void;
}) {
  const below = callsBelow(item.key, golden);
  const touched = item.revision > 0;
  return (
    <Row tone={item.isDefault ? undefined : "caution"}>
      <RowText lead>
        <button
          type="button"
          className={opensRow}
          data-step=""
          onClick={() => set({ edit: item.key })}
          onKeyDown={(event) => {
            if (event.key === "h") set({ history: item.key });
          }}
          aria-label={`Change ${item.key}`}
        >
          <code>{item.key}</code>
        </button>
      </RowText>
      <RowText wide>
        {rateWords(item)}
        {item.isDefault ? null : (
          <span className={styles.preset}>
            {item.preset ? `by default ${rateWords({ ...item, ...item.preset })}` : "none by default"}
          </span>
        )}
      </RowText>
      <RowText faint>{countsWhat(item)}</RowText>
      <RowText faint={!below?.refused}>
        <span
          className={below && below.refused > 0 ? styles.refused : styles.none}
          title="Calls below this key that a limit, a switch or load shedding refused in the last 5 minutes"
        >
          {below ? count(below.refused) : "–"}
          <span className={styles.unit}> refused</span>
        </span>
      </RowText>
      <RowText wide>
        {touched ? (
          <>
            <span title={item.reason}>{item.reason}</span>
            <span className={styles.who}>
              <ChangedBy item={item} />
            </span>
          </>
        ) : null}
      </RowText>
      <RowEnd>
        {item.isDefault ? null : (
          <Button
            size="s"
            tone="quiet"
            onClick={() => set({ reset: item.key })}
            aria-label={`Reset ${item.key}`}
          >
            Reset
          </Button>
        )}
        <Button
          size="s"
          tone="quiet"
          onClick={() => set({ history: item.key })}
          aria-label={`History of ${item.key}`}
        >
          History
        </Button>
      </RowEnd>
    </Row>
  );
}
