// What is going on, in one screen: four signals, what is switched off, who runs, which endpoint it is.

"use client";

import { ErrorNotice } from "@signalbox/ui/error-notice";
import { Segmented } from "@signalbox/ui/segmented";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { duration } from "@/format.ts";
import { readChoice } from "@/url-state.ts";
import { useUrl } from "@/use-url.ts";
import { groupings, spans } from "./choices.ts";
import { EndpointTable } from "./endpoint-table.tsx";
import { ErrorList } from "./error-list.tsx";
import { HeadlineStats } from "./headline-stats.tsx";
import { OffNotice } from "./off-notice.tsx";
import styles from "./overview.module.css";
import { PageHeader } from "./page-header.tsx";
import { QueryFault } from "./query-view.tsx";
import { ServicesStrip } from "./services-strip.tsx";
import { type Freshness, useGolden } from "./use-golden.ts";

const defaults = { window: spans.values[0], by: groupings.values[0], sort: "-rps" };

export function Overview() {
  const { params, set } = useUrl(defaults);
  const window = readChoice(spans, params);
  const by = readChoice(groupings, params);
  const { golden, freshness, ...query } = useGolden(window, by);

  return (
    <>
      <PageHeader title="Overview" status={<Live freshness={freshness} />}>
        <Segmented
          label="Window"
          size="s"
          options={[
            { value: "30s", label: "30 s" },
            { value: "5m", label: "5 min" },
            { value: "1h", label: "1 h" },
          ]}
          value={window}
          onChange={(value) => set({ window: value })}
        />
      </PageHeader>
      <QueryFault what="Signals" query={query} />
      {golden?.partial ? (
        <ErrorNotice tone="caution" title="These figures cover one process only">
          Redis is away, so what the other instances count can not be gathered.
        </ErrorNotice>
      ) : null}
      <OffNotice />
      <HeadlineStats window={window} />
      <ServicesStrip />
      <div className={styles.columns}>
        <ErrorList signatures={golden?.errorSignatures} window={window} />
        <EndpointTable golden={golden} by={by} set={set} params={params} failed={query.error !== null} />
      </div>
    </>
  );
}

function Live({ freshness }: { freshness: Freshness }) {
  const age = duration(freshness.ageMs);
  return (
    <output className={styles.live} aria-live="polite">
      {freshness.state === "live" ? <SignalLamp aspect="clear">Live</SignalLamp> : null}
      {freshness.state === "polling" ? (
        <SignalLamp aspect="dark" title="The live stream is down; figures are asked for each 5 s">
          Polling each 5 s
        </SignalLamp>
      ) : null}
      {freshness.state === "stale" ? (
        <SignalLamp aspect="caution">
          Stale
          {/* Counts up for the eye; read aloud once. */}
          <span aria-hidden="true"> · last news {age} ago</span>
        </SignalLamp>
      ) : null}
      {freshness.state === "connecting" ? <SignalLamp aspect="dark">Connecting</SignalLamp> : null}
    </output>
  );
}
