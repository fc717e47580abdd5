// Every act of an operator, newest first: who, what, why, and what was before. What it is narrowed to is in the address.

"use client";

import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { Panel } from "@signalbox/ui/panel";
import { opensRow, Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { Segmented } from "@signalbox/ui/segmented";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { readChoice } from "@/url-state.ts";
import { useUrl } from "@/use-url.ts";
import { type ShownEvent, tellEvent } from "../event-words.ts";
import { PageHeader } from "../page-header.tsx";
import { QueryView } from "../query-view.tsx";
import { AuditFilter } from "./audit-filter.tsx";
import { ChainCheck } from "./chain-check.tsx";
import { kinds } from "./choices.ts";
import { EventPanel } from "./event-panel.tsx";

const pageSize = 100;
const kindNames: Record<(typeof kinds.values)[number], string> = {
  all: "All",
  switch: "Switches",
  canary: "Canaries",
  limit: "Limits",
  cache_ttl: "Cache times",
  user: "Accounts",
  case: "Reports",
  personal: "Personal data",
  application: "Applications",
};

export function Audit() {
  const trpc = useTRPC();
  const { params, set } = useUrl({ kind: "all" });
  const kind = readChoice(kinds, params);
  const key = params.get("key") ?? undefined;
  const actor = params.get("actor") ?? undefined;
  const incident = params.get("incident") ?? undefined;
  const query = useInfiniteQuery(
    trpc.audit.list.infiniteQueryOptions(
      { limit: pageSize, key, actor, incident, kind: kind === "all" ? undefined : kind },
      { getNextPageParam: (page) => page.nextCursor, refetchInterval: 5_000 },
    ),
  );
  const opened = Number(params.get("event")) || undefined;

  return (
    <>
      <PageHeader
        title="Audit log"
        status={<ChainCheck />}
        about="What operators changed. Nothing in it can be edited: each act carries the hash of the one before."
      >
        <AuditFilter
          wanted={{ key, actor, incident }}
          onChange={({ key = null, actor = null, incident = null }) => set({ key, actor, incident })}
        />
      </PageHeader>
      <div>
        <Segmented
          label="Kind of act"
          size="s"
          options={kinds.values.map((value) => ({ value, label: kindNames[value] }))}
          value={kind}
          onChange={(value) => set({ kind: value })}
        />
      </div>
      <QueryView query={query} what="Acts">
        {({ pages }) => {
          const events = pages.flatMap(({ items }) => items);
          return (
            <Panel label="Acts" flush>
              <Rows
                label="Acts"
                columns="minmax(14rem, 5fr) minmax(10rem, 4fr) minmax(8rem, 4fr) minmax(6rem, 1.5fr) 6rem"
                heads={["What", "Of", "Why", "Who", ""]}
              >
                {events.map((event) => (
                  <EventRow key={event.id} event={event} set={set} />
                ))}
              </Rows>
              {events.length === 0 ? (
                key || actor || incident || kind !== "all" ? (
                  <EmptyState
                    title="No act fits"
                    action={
                      <Button onClick={() => set({ key: null, actor: null, incident: null, kind: null })}>
                        Show all acts
                      </Button>
                    }
                  />
                ) : (
                  <EmptyState title="Nobody changed anything yet">
                    Here appears each switch that is turned, each limit that is changed and each account that
                    is suspended, with who did it and why.
                  </EmptyState>
                )
              ) : null}
              {query.hasNextPage ? (
                <EmptyState
                  title={`${events.length} newest acts`}
                  action={
                    <Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                      Show older ones
                    </Button>
                  }
                />
              ) : null}
            </Panel>
          );
        }}
      </QueryView>
      {opened ? <EventPanel key={opened} revision={opened} onClose={() => set({ event: null })} /> : null}
    </>
  );
}

function EventRow({
  event,
  set,
}: {
  event: ShownEvent;
  set: (changes: Record<string, string | null>) => void;
}) {
  const { aspect, words } = tellEvent(event);
  return (
    <Row>
      <RowText lead>
        <button
          type="button"
          className={opensRow}
          data-step=""
          onClick={() => set({ event: String(event.revision) })}
        >
          <SignalLamp aspect={aspect}>{words}</SignalLamp>
        </button>
      </RowText>
      <RowText wide>
        <code>{event.key}</code>
      </RowText>
      <RowText wide>
        {event.incident ? `${event.incident}: ` : ""}
        {event.reason}
      </RowText>
      <RowText faint>{event.actor.name}</RowText>
      <RowEnd>
        <Moment at={event.at} />
      </RowEnd>
    </Row>
  );
}
