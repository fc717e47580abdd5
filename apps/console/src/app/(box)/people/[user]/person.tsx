// One person as operators see them: how the account stands, where it is signed in, what happened to it, and what can be done.

"use client";

import type { UserItem } from "@signalbox/modules/moderation/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { Panel } from "@signalbox/ui/panel";
import { Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { faultOf } from "@/errors.ts";
import { sentenceCase } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { CopyButton } from "../../copy-button.tsx";
import { PageHeader } from "../../page-header.tsx";
import { QueryView, useSteadyError } from "../../query-view.tsx";
import { useMay } from "../../use-may.ts";
import { bornAt } from "../born-at.ts";
import { RequestList } from "../request-list.tsx";
import { deviceName } from "./device-name.ts";
import styles from "./person.module.css";
import { type Act, PersonDialog } from "./person-dialog.tsx";
import { nameOf } from "./person-name.ts";

const refetchInterval = 5_000;

export function PersonView({ user }: { user: string }) {
  const trpc = useTRPC();
  const person = useQuery(trpc.users.read.queryOptions({ user }, { refetchInterval }));
  const [act, setAct] = useState<Act | null>(null);
  const gone = faultOf(useSteadyError(person)).code === "not_found";

  if (gone)
    return (
      <>
        <PageHeader title="No such person" />
        <Panel label="No such person" flush>
          <EmptyState title="There is no account under this name" action={<Link href="/people">People</Link>}>
            It may have been erased: nothing that leads to a person is kept then.
          </EmptyState>
        </Panel>
        <RequestList />
      </>
    );

  return (
    <>
      <PageHeader
        title={person.data ? nameOf(person.data) : "Person"}
        status={person.data ? <Standing person={person.data} /> : null}
        about={
          person.data ? (
            <>
              {person.data.displayName !== person.data.handle ? `${person.data.displayName ?? ""} · ` : ""}
              joined <Moment at={bornAt(person.data.id)} /> · <code>{person.data.id}</code>
            </>
          ) : null
        }
      >
        {person.data ? <Acts person={person.data} onAct={setAct} /> : null}
      </PageHeader>
      <QueryView query={person} what="This account">
        {(data) => (
          <>
            {data.suspendedAt ? (
              <p className={styles.suspended}>
                <SignalLamp aspect="danger">Suspended</SignalLamp> <Moment at={data.suspendedAt} />:{" "}
                {data.suspendedFor}
              </p>
            ) : null}
            <RequestList user={data.id} />
            <div className={styles.columns}>
              <Activity user={user} id={data.id} />
              <Sessions user={user} />
            </div>
          </>
        )}
      </QueryView>
      {act && person.data ? (
        <PersonDialog act={act} person={person.data} onClose={() => setAct(null)} />
      ) : null}
    </>
  );
}

function Standing({ person }: { person: UserItem }) {
  return (
    <>
      {person.role === "moderator" ? <Badge tone="accent">moderator</Badge> : null}
      {person.suspendedAt ? (
        <Badge tone="danger">suspended</Badge>
      ) : (
        <Badge tone="clear">in good standing</Badge>
      )}
    </>
  );
}

function Acts({ person, onAct }: { person: UserItem; onAct: (act: Act) => void }) {
  const mayAct = useMay("operator") !== false;
  const mayAll = useMay("admin") !== false;
  return (
    <>
      <CopyButton text={person.id} tone="quiet">
        Copy id
      </CopyButton>
      <Button disabled={!mayAct} onClick={() => onAct("signOut")}>
        Sign out everywhere
      </Button>
      {mayAll ? (
        <>
          <Button onClick={() => onAct("role")}>
            {person.role === "moderator" ? "Make a user" : "Make a moderator"}
          </Button>
          <Button onClick={() => onAct("export")}>Export</Button>
          <Button onClick={() => onAct("erase")}>Erase</Button>
        </>
      ) : null}
      {person.suspendedAt ? (
        <Button tone="primary" disabled={!mayAct} onClick={() => onAct("restore")}>
          Lift the suspension
        </Button>
      ) : (
        <Button tone="danger" disabled={!mayAct} onClick={() => onAct("suspend")}>
          Suspend
        </Button>
      )}
    </>
  );
}

function Sessions({ user }: { user: string }) {
  const trpc = useTRPC();
  const query = useQuery(trpc.sessions.list.queryOptions({ user, limit: 50 }, { refetchInterval }));
  return (
    <QueryView query={query} what="Sessions">
      {({ items }) => (
        <Panel title="Signed in" aside={items.length > 0 ? `on ${items.length}` : null} flush>
          <Rows label="Sessions" columns="minmax(0, 1fr) auto">
            {items.map((session) => (
              <Row key={session.id}>
                <RowText>
                  <span title={session.device}>{deviceName(session.device)}</span>
                  <span className={styles.under}>
                    since <Moment at={session.createdAt} />
                  </span>
                </RowText>
                <RowEnd>
                  <span className={styles.faint}>
                    used <Moment at={session.lastUsedAt} />
                  </span>
                </RowEnd>
              </Row>
            ))}
          </Rows>
          {items.length === 0 ? <EmptyState title="Signed in nowhere" /> : null}
        </Panel>
      )}
    </QueryView>
  );
}

function Activity({ user, id }: { user: string; id: string }) {
  const trpc = useTRPC();
  const query = useQuery(trpc.activity.list.queryOptions({ user, limit: 50 }, { refetchInterval }));
  return (
    <QueryView query={query} what="What happened">
      {({ items, nextCursor }) => (
        <Panel
          title="What happened"
          aside={
            <>
              {nextCursor ? "the newest 50" : null}
              <Link href={`/audit?key=${id}`}>Operators’ acts</Link>
            </>
          }
          flush
        >
          <Rows label="What happened" columns="minmax(9rem, 3fr) minmax(0, 4fr) 6rem">
            {items.map((event) => (
              <Row key={event.id} tone={event.kind === "account.suspended" ? "danger" : undefined}>
                <RowText lead>{sentenceCase(event.kind.replaceAll(/[._]/g, " "))}</RowText>
                <RowText faint>
                  {event.by === `user ${id}` ? deviceName(event.device) : `by ${event.by}`}
                  {event.detail.reason ? `: ${event.detail.reason}` : ""}
                  {event.detail.role ? `: ${event.detail.role}` : ""}
                </RowText>
                <RowEnd>
                  <Moment at={event.at} />
                </RowEnd>
              </Row>
            ))}
          </Rows>
          {items.length === 0 ? <EmptyState title="Nothing yet" /> : null}
        </Panel>
      )}
    </QueryView>
  );
}
