// What happened to one key, newest first, from the append-only log; what can be taken back is taken back here.

"use client";

import { Button } from "@signalbox/ui/button";
import { Dialog, DialogBody } from "@signalbox/ui/dialog";
import { EmptyState } from "@signalbox/ui/empty-state";
import { Lamp } from "@signalbox/ui/signal-lamp";
import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { EventDiff } from "./event-diff.tsx";
import { type ShownEvent, tellEvent } from "./event-words.ts";
import styles from "./history-panel.module.css";
import { QueryView } from "./query-view.tsx";
import { isRevertible, RevertDialog } from "./revert-dialog.tsx";
import { useMay } from "./use-may.ts";

const shownAtMost = 200;

export function HistoryPanel({
  name,
  never,
  subtitle = "History",
  onClose,
  children,
}: {
  /** The key. */
  name: string;
  /** What is said where nothing ever happened to it. */
  never: string;
  subtitle?: React.ReactNode;
  onClose: () => void;
  /** What else is to be said of it. */
  children?: React.ReactNode;
}) {
  const trpc = useTRPC();
  const query = useQuery(trpc.audit.list.queryOptions({ key: name, limit: shownAtMost }));
  const [reverted, setReverted] = useState<ShownEvent | null>(null);
  const mayRevert = useMay("operator");
  return (
    <Dialog side title={<code>{name}</code>} subtitle={subtitle} onClose={onClose}>
      <DialogBody>
        {children}
        <QueryView query={query} what="Acts on this key">
          {({ items }) => (
            <>
              {items.length === 0 ? <EmptyState title={never} /> : null}
              <ol className={styles.events} aria-label="History">
                {items.map((event) => (
                  <HistoryEvent
                    key={event.id}
                    event={event}
                    onRevert={mayRevert && isRevertible(event) ? () => setReverted(event) : undefined}
                  />
                ))}
              </ol>
            </>
          )}
        </QueryView>
      </DialogBody>
      {reverted ? <RevertDialog event={reverted} onClose={() => setReverted(null)} /> : null}
    </Dialog>
  );
}

function HistoryEvent({ event, onRevert }: { event: ShownEvent; onRevert: (() => void) | undefined }) {
  const { aspect, words } = tellEvent(event);
  return (
    <li className={styles.event}>
      <Lamp aspect={aspect} className={styles.lamp} />
      <div className={styles.head}>
        <p className={styles.what}>{words}</p>
        {onRevert ? (
          <Button
            size="s"
            tone="quiet"
            onClick={onRevert}
            aria-label={`Take back version ${event.revision}: ${words}`}
          >
            Take back
          </Button>
        ) : null}
      </div>
      <p className={styles.reason}>{event.reason}</p>
      <p className={styles.who}>
        {event.actor.name}, <Moment at={event.at} /> ·{" "}
        <Link href={`/audit?event=${event.revision}`}>version {event.revision}</Link>
        {event.incident ? <> · for {event.incident}</> : null}
        {event.expiresAt ? (
          <>
            {" "}
            · ends <Moment at={event.expiresAt} future />
          </>
        ) : null}
      </p>
      <EventDiff from={event.before} to={event.after} />
    </li>
  );
}
