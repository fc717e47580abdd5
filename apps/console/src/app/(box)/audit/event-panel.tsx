// One act as the log keeps it, with what was before and after, and the ways to everything that it names.

"use client";

import { Button } from "@signalbox/ui/button";
import { Dialog, DialogBody } from "@signalbox/ui/dialog";
import { EmptyState } from "@signalbox/ui/empty-state";
import { More } from "@signalbox/ui/more";
import { Verbatim } from "@signalbox/ui/verbatim";
import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { EventDiff } from "../event-diff.tsx";
import { type ShownEvent, tellEvent } from "../event-words.ts";
import { QueryView } from "../query-view.tsx";
import { isRevertible, RevertDialog } from "../revert-dialog.tsx";
import { useMay } from "../use-may.ts";
import styles from "./event-panel.module.css";

/** The list's cursor is the revision at which a page begins. */
const cursorOf = (revision: number) => btoa(String(revision)).replace(/=+$/, "");

export function EventPanel({ revision, onClose }: { revision: number; onClose: () => void }) {
  const trpc = useTRPC();
  const query = useQuery(
    trpc.audit.list.queryOptions(
      { cursor: cursorOf(revision), limit: 1 },
      { staleTime: Number.POSITIVE_INFINITY },
    ),
  );
  return (
    <Dialog side title={`Version ${revision}`} subtitle="As the log keeps it" onClose={onClose}>
      <DialogBody>
        <QueryView query={query} what="Acts">
          {({ items: [event] }) =>
            event?.revision === revision ? (
              <Facts event={event} />
            ) : (
              <EmptyState title="There is no such act" />
            )
          }
        </QueryView>
      </DialogBody>
    </Dialog>
  );
}

function Facts({ event }: { event: ShownEvent }) {
  const [isReverting, setReverting] = useState(false);
  const mayRevert = useMay("operator");
  return (
    <>
      <h3 className={styles.words}>{tellEvent(event).words}</h3>
      <p className={styles.reason}>{event.reason}</p>
      <dl className={styles.facts}>
        <dt>Of</dt>
        <dd>
          <code>{event.key}</code>
          <span className={styles.ways}>
            <Link href={`/audit?key=${encodeURIComponent(event.key)}`}>All acts on it</Link>
            {thingOf(event)}
          </span>
        </dd>
        <dt>Who</dt>
        <dd>
          {event.actor.name} <span className={styles.faint}>{event.actor.id}</span>
          <span className={styles.ways}>
            <Link href={`/audit?actor=${encodeURIComponent(event.actor.id)}`}>All of their acts</Link>
          </span>
        </dd>
        <dt>When</dt>
        <dd>
          <Moment at={event.at} /> <span className={styles.faint}>{event.at}</span>
        </dd>
        {event.incident ? (
          <>
            <dt>For</dt>
            <dd>
              {event.incident}
              <span className={styles.ways}>
                <Link href={`/audit?incident=${encodeURIComponent(event.incident)}`}>All done for it</Link>
              </span>
            </dd>
          </>
        ) : null}
        {event.expiresAt ? (
          <>
            <dt>Ends</dt>
            <dd>
              <Moment at={event.expiresAt} future /> <span className={styles.faint}>{event.expiresAt}</span>
            </dd>
          </>
        ) : null}
        <dt>Kind</dt>
        <dd>
          <code>{event.kind}</code>
        </dd>
        <dt>Request</dt>
        <dd>
          <code>{event.requestId}</code>
        </dd>
        <dt>Hash</dt>
        <dd>
          <code>{event.hash}</code>
        </dd>
      </dl>
      <EventDiff from={event.before} to={event.after} />
      {mayRevert && isRevertible(event) ? (
        <p className={styles.acts}>
          <Button size="s" onClick={() => setReverting(true)}>
            Take it back
          </Button>
        </p>
      ) : null}
      <More label="The whole values">
        <Value name="Before" value={event.before} />
        <Value name="After" value={event.after} />
      </More>
      {isReverting ? <RevertDialog event={event} onClose={() => setReverting(false)} /> : null}
    </>
  );
}

function thingOf({ kind, key }: ShownEvent): React.ReactNode {
  const name = encodeURIComponent(key);
  if (kind.startsWith("switch.")) return <Link href={`/switches?flip=${name}`}>The switch</Link>;
  if (kind.startsWith("limit.")) return <Link href={`/limits?edit=${name}`}>The limit</Link>;
  if (kind.startsWith("user.")) return <Link href={`/people/${name}`}>The person</Link>;
  return null;
}

function Value({ name, value }: { name: string; value: unknown }) {
  return (
    <section className={styles.value}>
      <h3>{name}</h3>
      <Verbatim>
        {value === null || value === undefined ? "nothing" : JSON.stringify(value, null, 2)}
      </Verbatim>
    </section>
  );
}
