// What is cached, how well and for how long; and making everyone forget it. What is open is in the address.

"use client";

import type { CacheItem, CacheSet } from "@signalbox/modules/control/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { FilterField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { opensRow, Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { useQuery } from "@tanstack/react-query";
import { count, duration, milliseconds, percent } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { useUrl } from "@/use-url.ts";
import { ChangedBy } from "../changed-by.tsx";
import { PageHeader } from "../page-header.tsx";
import { QueryView } from "../query-view.tsx";
import { useFilter } from "../use-filter.ts";
import { useHeld } from "../use-held.ts";
import styles from "./caches.module.css";
import { ForgetDialog } from "./forget-dialog.tsx";
import { ResetTimesDialog } from "./reset-times-dialog.tsx";
import { TimesDialog } from "./times-dialog.tsx";
import { timesWords } from "./times-words.ts";

type SetParams = (changes: Record<string, string | null>) => void;

export function Caches() {
  const trpc = useTRPC();
  const { params, set } = useUrl();
  const [typed, filter] = useFilter();
  const query = useQuery(trpc.caches.list.queryOptions({}, { refetchInterval: 5_000 }));
  const { data } = query;
  const forget = params.get("forget");
  const times = data?.items.find(({ entity }) => entity === params.get("times"));
  const toReset = params.get("reset");
  const reset = useHeld(
    toReset,
    data?.set.find(({ key }) => key === toReset),
  );
  const close = () => set({ forget: null, times: null, reset: null });
  const hits = data?.items.reduce((all, it) => all + it.hits, 0) ?? 0;
  const asked = hits + (data?.items.reduce((all, it) => all + it.misses, 0) ?? 0);

  return (
    <>
      <PageHeader
        title="Caches"
        status={
          asked > 0 ? <Badge title="Of the last five minutes">{percent(hits / asked)} hits</Badge> : null
        }
      >
        <FilterField label="Filter by name" value={typed} onChange={(event) => filter(event.target.value)} />
        <Button onClick={() => set({ forget: "" })}>Forget something</Button>
      </PageHeader>
      <QueryView query={query} what="Caches">
        {({ items, known, set: changed }) => {
          const shown = items.filter(({ entity }) =>
            entity.toLowerCase().includes(typed.trim().toLowerCase()),
          );
          return (
            <>
              {known ? null : (
                <ErrorNotice tone="caution" title="These figures cover one process only">
                  Redis is away, so what the other instances count can not be gathered.
                </ErrorNotice>
              )}
              <Panel label="Caches" flush>
                <Rows
                  label="Caches"
                  columns="minmax(10rem, 4fr) minmax(8rem, 2fr) minmax(5rem, 1.5fr) minmax(5rem, 1.5fr) minmax(9rem, 3fr) minmax(10rem, 2.5fr) auto"
                  heads={[
                    "Cache",
                    "Hits, 5 min",
                    "Asked",
                    "In memory",
                    "To load, p50 and p99",
                    "Fresh in memory, in Redis",
                    <span key="acts" className={styles.acts} />,
                  ]}
                >
                  {shown.map((item) => (
                    <CacheRow
                      key={item.entity}
                      item={item}
                      change={changed.find(({ key }) => key === item.entity)}
                      set={set}
                    />
                  ))}
                </Rows>
                {shown.length === 0 ? (
                  <EmptyState
                    title={
                      items.length > 0
                        ? `No cache matches “${typed.trim()}”`
                        : "No process tells what it caches yet"
                    }
                  />
                ) : null}
              </Panel>
              {changed.length > 0 ? <ChangedTimes changed={changed} set={set} /> : null}
            </>
          );
        }}
      </QueryView>
      {forget !== null ? <ForgetDialog key={forget} name={forget} onClose={close} /> : null}
      {times ? <TimesDialog key={times.entity} item={times} onClose={close} /> : null}
      {reset ? <ResetTimesDialog key={reset.key} change={reset} onClose={close} /> : null}
    </>
  );
}

function CacheRow({ item, change, set }: { item: CacheItem; change: CacheSet | undefined; set: SetParams }) {
  const asked = item.hits + item.misses;
  return (
    <Row tone={item.fillErrors > 0 ? "danger" : change ? "caution" : undefined}>
      <RowText lead>
        <button
          type="button"
          className={opensRow}
          data-step=""
          onClick={() => set({ times: item.entity })}
          aria-label={`Times of ${item.entity}`}
        >
          <code>{item.entity}</code>
        </button>
      </RowText>
      <RowText>
        {item.hitRate === null ? (
          <span className={styles.faint}>not asked</span>
        ) : (
          <span
            className={styles.rate}
            style={{ "--share": `${(item.hitRate * 100).toFixed(1)}%` } as React.CSSProperties}
            title={`${count(item.l1Hits)} from memory, ${count(item.l2Hits)} from Redis, ${count(item.negativeHits)} known to be nothing, ${count(item.misses)} missed`}
          >
            {percent(item.hitRate)}
          </span>
        )}
      </RowText>
      <RowText faint={asked === 0}>
        {count(asked)}
        <span className={styles.unit}> asked</span>
      </RowText>
      <RowText faint={item.entries === 0}>
        {count(item.entries)}
        <span className={styles.unit}> in memory</span>
      </RowText>
      <RowText>
        {item.fillErrors > 0 ? (
          <span className={styles.danger}>
            {count(item.fillErrors)} {item.fillErrors === 1 ? "load" : "loads"} failed{" "}
          </span>
        ) : (
          <span className={item.fillP50Ms === null ? styles.faint : undefined}>
            {item.fillP50Ms === null
              ? "–"
              : `${milliseconds(item.fillP50Ms)}, ${milliseconds(item.fillP99Ms)}`}
            <span className={styles.unit}> to load</span>
          </span>
        )}
        {item.stale > 0 ? (
          <Badge tone="caution" title="Answered from what was no longer fresh, because the source was away">
            {count(item.stale)} stale
          </Badge>
        ) : null}
      </RowText>
      <RowText>
        <span className={styles.unit}>fresh for </span>
        {duration(item.ttl.l1Ms)}, {duration(item.ttl.l2Ms)}
      </RowText>
      <RowEnd>
        <span className={styles.acts}>
          <Button
            size="s"
            tone="quiet"
            onClick={() => set({ forget: item.entity })}
            aria-label={`Forget ${item.entity}`}
          >
            Forget
          </Button>
        </span>
      </RowEnd>
    </Row>
  );
}

function ChangedTimes({ changed, set }: { changed: CacheSet[]; set: SetParams }) {
  return (
    <Panel title="Times that operators set" flush>
      <Rows label="Times that operators set" columns="minmax(8rem, 2fr) minmax(0, 3fr) minmax(0, 4fr) auto">
        {changed.map((change) => (
          <Row key={change.key} tone="caution">
            <RowText lead>
              <code>{change.key}</code>
            </RowText>
            <RowText wide>{timesWords(change)}</RowText>
            <RowText wide faint>
              {change.reason}, <ChangedBy item={change} />
            </RowText>
            <RowEnd>
              <Button
                size="s"
                tone="quiet"
                onClick={() => set({ reset: change.key })}
                aria-label={`Reset ${change.key}`}
              >
                Reset
              </Button>
            </RowEnd>
          </Row>
        ))}
      </Rows>
    </Panel>
  );
}
