// What happened to one key, newest first, from the append-only log.

"use client";

import { Dialog, DialogBody } from "@signalbox/ui/dialog";
import { EmptyState } from "@signalbox/ui/empty-state";
import { Lamp } from "@signalbox/ui/signal-lamp";
import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { tellEvent } from "./event-words.ts";
import styles from "./history-panel.module.css";
import { QueryView } from "./query-view.tsx";

const shownAtMost = 200;

export function HistoryPanel({
  name,
  never,
  onClose,
}: {
  /** The key. */
  name: string;
  /** What is said where nothing ever happened to it. */
  never: string;
  onClose: () => void;
}) {
  const trpc = useTRPC();
  const query = useQuery(trpc.audit.list.queryOptions({ key: name, limit: shownAtMost }));
  return (
    <Dialog side title={<code>{name}</code>} subtitle="History" onClose={onClose}>
      <DialogBody>
        <QueryView query={query} what="Acts on this key">
          {({ items }) => (
            <>
              {items.length === 0 ? <EmptyState title={never} /> : null}
              <ol className={styles.events}>
                {items.map((event) => {
                  const { aspect, words } = tellEvent(event);
                  return (
                    <li key={event.id} className={styles.event}>
                      <Lamp aspect={aspect} className={styles.lamp} />
                      <p className={styles.what}>{words}</p>
                      <p className={styles.reason}>{event.reason}</p>
                      <p className={styles.who}>
                        {event.actor.name}, <Moment at={event.at} /> ·{" "}
                        <Link href={`/audit?event=${event.revision}`}>version {event.revision}</Link>
                        {event.expiresAt ? (
                          <>
                            {" "}
                            · ends <Moment at={event.expiresAt} future />
                          </>
                        ) : null}
                      </p>
                    </li>
                  );
                })}
              </ol>
            </>
          )}
        </QueryView>
      </DialogBody>
    </Dialog>
  );
}
