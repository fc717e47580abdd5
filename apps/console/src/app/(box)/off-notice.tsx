"use client";

import { SignalLamp } from "@signalbox/ui/signal-lamp";
import Link from "next/link";
import { ChangedBy } from "./changed-by.tsx";
import styles from "./overview.module.css";
import { aspectOf, stateWords } from "./state-words.ts";
import { useSwitches } from "./use-switches.ts";

const shownAtMost = 3;

/** What is off is said first: it explains refusals before anyone looks for a fault. */
export function OffNotice() {
  const { turnedOff } = useSwitches();
  if (turnedOff.length === 0) return null;
  const latest = turnedOff.toSorted((a, b) => b.revision - a.revision);
  return (
    <section className={styles.off} aria-label="Switched off">
      {latest.slice(0, shownAtMost).map((item) => (
        <Link
          key={item.key}
          href={`/switches?flip=${encodeURIComponent(item.key)}`}
          className={styles.offItem}
        >
          <SignalLamp aspect={aspectOf(item)}>
            <code>{item.key}</code> {stateWords(item)}
          </SignalLamp>
          <span className={styles.offReason}>{item.reason}</span>
          <span className={styles.offWho}>
            <ChangedBy item={item} then="back on" />
          </span>
        </Link>
      ))}
      {latest.length > shownAtMost ? (
        <Link href="/switches?show=off" className={styles.offMore}>
          and {latest.length - shownAtMost} more
        </Link>
      ) : null}
    </section>
  );
}
