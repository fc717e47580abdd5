// Who runs the new settings. What was missing when the answer came is watched until it confirms too.

"use client";

import type { Changed } from "@signalbox/modules/control/schema";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { useQuery } from "@tanstack/react-query";
import { milliseconds } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import styles from "./change-dialog.module.css";

/** What is no setting has no version. */
export type Confirmed = Omit<Changed, "version"> & { version: number | null };

export function ConfirmationList({ changed }: { changed: Confirmed }) {
  const trpc = useTRPC();
  const { expected, confirmed, slowestMs, missing } = changed.confirmations;
  const { data: services } = useQuery(trpc.services.list.queryOptions({}, { refetchInterval: 1_000 }));
  const registered = services?.items ?? [];
  const { version } = changed;
  const late = missing.filter(
    (id) => version !== null && (registered.find((it) => it.id === id)?.revision ?? -1) >= version,
  );
  const still = missing.filter((id) => !late.includes(id));
  const nameOf = (id: string) => registered.find((it) => it.id === id)?.name ?? id;

  if (expected === null)
    return (
      <div className={styles.confirmations} role="status">
        <SignalLamp aspect="caution">Recorded; nobody knows how many instances there are</SignalLamp>
        <p>
          The registry is away. {confirmed} {confirmed === 1 ? "instance has" : "instances have"} confirmed;
          the others take it from the next poll or from disk. Watch the refusals on the overview to be sure.
        </p>
      </div>
    );

  const done = confirmed + late.length;
  return (
    <div className={styles.confirmations} role="status">
      <SignalLamp aspect={still.length === 0 ? "clear" : "danger"}>
        <span className={styles.result}>
          {done} of {expected} {expected === 1 ? "instance" : "instances"}
          {still.length === 0 && slowestMs !== null && late.length === 0
            ? ` in ${slowestMs < 1 ? "under 1 ms" : milliseconds(slowestMs)}`
            : ""}
        </span>
      </SignalLamp>
      {missing.length > 0 ? (
        <>
          <p>
            {still.length > 0
              ? "Not confirmed within 2 s; still being watched:"
              : "All confirmed, some after 2 s:"}
          </p>
          <ul>
            {missing.map((id) => (
              <li key={id}>
                <SignalLamp aspect={still.includes(id) ? "danger" : "clear"}>
                  {nameOf(id)}{" "}
                  <span className={styles.quiet}>{still.includes(id) ? "missing" : "confirmed"}</span>
                </SignalLamp>
              </li>
            ))}
          </ul>
        </>
      ) : null}
    </div>
  );
}
