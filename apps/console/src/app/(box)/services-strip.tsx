// Each process as a block of the line: is it there, which version, and does it run the newest settings.

"use client";

import { Badge } from "@signalbox/ui/badge";
import { EmptyState } from "@signalbox/ui/empty-state";
import { Panel } from "@signalbox/ui/panel";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { useQuery } from "@tanstack/react-query";
import { isAway } from "@/errors.ts";
import { useTRPC } from "@/trpc.ts";
import { healthWords } from "./health-words.ts";
import styles from "./overview.module.css";
import { QueryFault } from "./query-view.tsx";

function Aside({
  list,
  away,
}: {
  list: { known: boolean; revision: number; items: unknown[] } | undefined;
  away: boolean;
}) {
  if (!list) return away ? "not known" : null;
  // The API then answers with those it saw last.
  if (!list.known && list.items.length > 0)
    return <SignalLamp aspect="caution">Registry away: as they were last seen</SignalLamp>;
  return `settings at revision ${list.revision}`;
}

export function ServicesStrip() {
  const trpc = useTRPC();
  const query = useQuery(trpc.services.list.queryOptions({}, { refetchInterval: 5_000 }));
  const { data, error } = query;
  return (
    <Panel title="Processes" aside={<Aside list={data} away={error !== null} />} flush>
      {error && !isAway(error) ? (
        <div className={styles.inset}>
          <QueryFault what="Processes" query={query} />
        </div>
      ) : null}
      {error && !data && isAway(error) ? (
        <EmptyState title="Not known while the operator API is away" />
      ) : null}
      {data && data.items.length === 0 ? (
        <EmptyState title={data.known ? "No process is registered" : "The registry is away"}>
          {data.known
            ? "A process appears here within seconds of its start."
            : "Redis does not answer, so nobody knows which processes run. They go on with the settings they have."}
        </EmptyState>
      ) : null}
      <ul className={styles.line}>
        {data?.items.map((item) => {
          const { aspect, word } = healthWords[item.health];
          const behind = item.revision === null || item.revision < data.revision;
          return (
            <li key={item.id} className={styles.block}>
              <p className={styles.blockHead}>
                <span
                  className={styles.blockName}
                  title={`${item.name}, instance ${item.id}, process ${item.pid}`}
                >
                  {item.name}
                </span>
                <SignalLamp aspect={aspect}>{word}</SignalLamp>
              </p>
              <p className={styles.blockFacts}>
                {item.version}
                <Badge tone={item.track === "canary" ? "accent" : "plain"}>{item.track}</Badge>
                <span className={behind ? styles.behind : undefined}>
                  {item.revision === null
                    ? "holds no settings"
                    : behind
                      ? `runs ${item.revision} of ${data.revision}`
                      : `runs ${item.revision}`}
                </span>
              </p>
              {item.overridden.length > 0 ? (
                <p className={styles.behind} title={item.overridden.join(", ")}>
                  {item.overridden.length} decided by a file on its machine
                </p>
              ) : null}
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}
