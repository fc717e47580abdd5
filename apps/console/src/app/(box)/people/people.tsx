// Who has an account: found by id, address or the beginning of a name; the newest where nothing is asked.

"use client";

import type { UserItem } from "@signalbox/modules/moderation/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { FilterField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { opensRow, Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useDeferredValue } from "react";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { PageHeader } from "../page-header.tsx";
import { QueryView } from "../query-view.tsx";
import { useFilter } from "../use-filter.ts";
import { bornAt } from "./born-at.ts";
import { RequestList } from "./request-list.tsx";

const pageSize = 50;

export function People() {
  const trpc = useTRPC();
  const [typed, filter] = useFilter();
  const q = useDeferredValue(typed.trim());
  const found = useQuery(
    trpc.users.list.queryOptions({ q }, { enabled: q !== "", placeholderData: keepPreviousData }),
  );
  const newest = useInfiniteQuery(
    trpc.users.list.infiniteQueryOptions(
      { limit: pageSize },
      { getNextPageParam: (page) => page.nextCursor, enabled: q === "", refetchInterval: 15_000 },
    ),
  );

  return (
    <>
      <PageHeader title="People">
        <FilterField
          label="Id, address, or how a name begins"
          value={typed}
          onChange={(event) => filter(event.target.value)}
        />
      </PageHeader>
      {q === "" ? (
        <QueryView query={newest} what="Accounts">
          {({ pages }) => {
            const people = pages.flatMap(({ items }) => items);
            return (
              <Panel title="Newest accounts" flush>
                <PersonRows people={people} />
                {people.length === 0 ? (
                  <EmptyState title="Nobody has an account yet">
                    Accounts appear here as people register.
                  </EmptyState>
                ) : null}
                {newest.hasNextPage ? (
                  <EmptyState
                    title={`${people.length} newest accounts`}
                    action={
                      <Button busy={newest.isFetchingNextPage} onClick={() => void newest.fetchNextPage()}>
                        Show older ones
                      </Button>
                    }
                  />
                ) : null}
              </Panel>
            );
          }}
        </QueryView>
      ) : (
        <QueryView query={found} what="Accounts">
          {({ items }) => (
            <Panel title="Found" aside={items.length === 50 ? "the first 50" : null} flush>
              <PersonRows people={items} />
              {items.length === 0 ? (
                <EmptyState
                  title={`Nobody fits “${q}”`}
                  action={<Button onClick={() => filter("")}>Show the newest accounts</Button>}
                >
                  An address must be given whole: addresses are sealed and can not be searched.
                </EmptyState>
              ) : null}
            </Panel>
          )}
        </QueryView>
      )}
      <RequestList />
    </>
  );
}

function PersonRows({ people }: { people: UserItem[] }) {
  return (
    <Rows label="People" columns="minmax(12rem, 3fr) minmax(0, 3fr) minmax(0, 4fr) 8rem">
      {people.map((person) => (
        <Row key={person.id} tone={person.suspendedAt ? "danger" : undefined}>
          <RowText lead>
            <Link className={opensRow} data-step="" href={`/people/${person.id}`}>
              {person.handle ? `@${person.handle}` : person.id}
            </Link>
          </RowText>
          <RowText faint>
            {person.displayName !== person.handle ? `${person.displayName ?? ""} ` : ""}
            {person.role === "moderator" ? <Badge tone="accent">moderator</Badge> : null}
          </RowText>
          <RowText wide>
            {person.suspendedAt ? (
              <SignalLamp aspect="danger">{`Suspended: ${person.suspendedFor ?? ""}`}</SignalLamp>
            ) : null}
          </RowText>
          <RowEnd>
            <Moment at={bornAt(person.id)} />
          </RowEnd>
        </Row>
      ))}
    </Rows>
  );
}
