// What happened to one key, newest first, from the append-only log.

"use client";

import type { AuditEvent, SwitchItem } from "@signalbox/modules/control/schema";
import { Dialog, DialogBody } from "@signalbox/ui/dialog";
import { EmptyState } from "@signalbox/ui/empty-state";
import { type Aspect, Lamp } from "@signalbox/ui/signal-lamp";
import { useQuery } from "@tanstack/react-query";
import { Moment } from "@/moment.tsx";
import { QueryFault } from "@/query-fault.tsx";
import { useTRPC } from "@/trpc.ts";
import { stateWords } from "../use-switches.ts";
import styles from "./history-panel.module.css";

export function HistoryPanel({ item, onClose }: { item: SwitchItem; onClose: () => void }) {
  const trpc = useTRPC();
  const { data, error, refetch } = useQuery(
    trpc.switches.history.queryOptions({ key: item.key, limit: 200 }),
  );
  return (
    <Dialog side title={<code>{item.key}</code>} subtitle="History" onClose={onClose}>
      <DialogBody>
        {error ? <QueryFault what="The history can not be read" error={error} retry={refetch} /> : null}
        {data?.items.length === 0 ? <EmptyState title="This switch was never turned" /> : null}
        <ol className={styles.events}>
          {data?.items.map((event) => {
            const [aspect, words] = outcome(event);
            return (
              <li key={event.id} className={styles.event}>
                <Lamp aspect={aspect} className={styles.lamp} />
                <p className={styles.what}>{words}</p>
                <p className={styles.reason}>{event.reason}</p>
                <p className={styles.who}>
                  {event.actor.name}, <Moment at={event.at} /> · version {event.revision}
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
      </DialogBody>
    </Dialog>
  );
}

/** The log keeps values as they were written; one that this console does not know is still an event. */
function outcome({ after, kind }: Pick<AuditEvent, "kind"> & { after?: unknown }): [Aspect, string] {
  if (
    typeof after === "object" &&
    after !== null &&
    "state" in after &&
    (after.state === "on" || after.state === "off")
  ) {
    const share = "share" in after && typeof after.share === "number" ? after.share : 100;
    const words = stateWords({ state: after.state, share });
    return [after.state === "on" ? "clear" : share < 100 ? "caution" : "danger", `Turned ${words}`];
  }
  if (after === null) return ["clear", "Back to its default, on"];
  return ["dark", kind];
}
