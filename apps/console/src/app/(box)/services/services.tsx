// Every process that runs, as it said of itself a second ago: what it is, whether it is well, how full it is, which settings it holds.

"use client";

import type { Golden, ServiceItem } from "@signalbox/modules/control/schema";
import { Badge } from "@signalbox/ui/badge";
import { EmptyState } from "@signalbox/ui/empty-state";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { Panel } from "@signalbox/ui/panel";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { Cell, HeadRow, Table } from "@signalbox/ui/table";
import { useQuery } from "@tanstack/react-query";
import { bytes, duration, milliseconds, percent } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { judge } from "../headline.ts";
import { healthWords } from "../health-words.ts";
import { PageHeader } from "../page-header.tsx";
import { QueryView } from "../query-view.tsx";
import { useGoldenPoll } from "../use-golden.ts";
import { Dependencies } from "./dependencies.tsx";
import styles from "./services.module.css";
import { Shedding } from "./shedding.tsx";
import { Zones } from "./zones.tsx";

type Load = Golden["saturation"]["instances"][number];

export function Services() {
  const trpc = useTRPC();
  const query = useQuery(trpc.services.list.queryOptions({}, { refetchInterval: 2_000 }));
  const { data: golden } = useGoldenPoll("30s", "version");
  const loads = new Map(golden?.saturation.instances.map((it) => [it.instance, it]));
  const { data } = query;
  const troubled = data?.items.filter((it) => it.health !== "pass").length ?? 0;

  return (
    <>
      <PageHeader
        title="Services"
        status={
          data?.known ? (
            <Badge tone={troubled > 0 ? "caution" : "clear"}>
              {troubled > 0 ? `${troubled} of ${data.items.length} not well` : `${data.items.length} well`}
            </Badge>
          ) : null
        }
      />
      <QueryView query={query} what="Processes">
        {({ items, known, revision }) => (
          <>
            {known ? null : (
              <ErrorNotice tone="caution" title="The registry is away: processes as they were last seen">
                Redis does not answer. Every process goes on with the settings that it holds.
              </ErrorNotice>
            )}
            <Panel title="Processes" aside={`settings at version ${revision}`} flush>
              <Table label="Processes with their load">
                <HeadRow
                  texts={["Process", "Health", "Role", "Version", "Zone", "Settings"]}
                  numbers={["CPU", "Loop delay", "Memory", "In flight", "Pool", "Up", "Seen"]}
                />
                <tbody>
                  {items.map((item) => (
                    <ServiceRow key={item.id} item={item} load={loads.get(item.id)} newest={revision} />
                  ))}
                </tbody>
              </Table>
              {items.length === 0 ? (
                <EmptyState title={known ? "No process is registered" : "Nobody knows which processes run"}>
                  A process appears here within seconds of its start.
                </EmptyState>
              ) : null}
            </Panel>
          </>
        )}
      </QueryView>
      <Dependencies />
      <Shedding />
      <Zones />
    </>
  );
}

const lateMs = 2_500;

function ServiceRow({ item, load, newest }: { item: ServiceItem; load: Load | undefined; newest: number }) {
  const { aspect, word } = healthWords[item.health];
  const pool = load?.pool;
  const loadOf = (value: number | undefined) => {
    const aspect = judge("saturation", value);
    return aspect === "danger" || aspect === "caution" ? aspect : undefined;
  };
  return (
    <tr>
      <th scope="row" title={`${item.id}, process ${item.pid}${item.address ? `, ${item.address}` : ""}`}>
        <span className={styles.name}>{item.name}</span>
        <span className={styles.id}>
          {item.id.startsWith(`${item.name}-`) ? item.id.slice(item.name.length + 1) : item.id}
        </span>
      </th>
      <Cell>
        <SignalLamp aspect={aspect}>{word}</SignalLamp>
      </Cell>
      <Cell>{item.role}</Cell>
      <Cell>
        {item.version}
        {item.track === "canary" ? (
          <>
            {" "}
            <Badge tone="accent">canary</Badge>
          </>
        ) : null}
      </Cell>
      <Cell>{item.zone}</Cell>
      <Cell tone={item.revision === null || item.revision < newest ? "caution" : undefined}>
        {item.revision === null
          ? "none held"
          : item.revision < newest
            ? `version ${item.revision} of ${newest}`
            : `version ${item.revision}`}
        {item.overridden.length > 0 ? (
          <Badge tone="caution" title={item.overridden.join(", ")}>
            {item.overridden.length} from a file
          </Badge>
        ) : null}
      </Cell>
      <Cell numeric tone={loadOf(load?.cpu)}>
        {percent(load?.cpu)}
      </Cell>
      <Cell numeric>{milliseconds(load?.eventLoopDelayMs)}</Cell>
      <Cell numeric>{bytes(load?.memoryBytes)}</Cell>
      <Cell numeric>{load ? load.inFlight : "–"}</Cell>
      <Cell numeric tone={loadOf(pool && pool.size > 0 ? pool.inUse / pool.size : undefined)}>
        {pool ? `${pool.inUse} of ${pool.size}${pool.waiting > 0 ? `, ${pool.waiting} wait` : ""}` : "–"}
      </Cell>
      <Cell numeric>
        <Moment at={item.startedAt} bare />
      </Cell>
      <Cell numeric tone={item.lastSeenMs > lateMs ? "caution" : "faint"}>
        {item.lastSeenMs < lateMs ? "now" : `${duration(item.lastSeenMs)} ago`}
      </Cell>
    </tr>
  );
}
