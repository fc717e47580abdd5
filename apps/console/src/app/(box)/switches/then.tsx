// Looking back: the page as the log says that it was at an instant.

"use client";

import { Button } from "@signalbox/ui/button";
import { wallTime } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import styles from "./switches.module.css";

type Props = { at: string | undefined; onChange: (at: string | null) => void };

/** From the address: what is no instant means now. */
export function readInstant(text: string | null): string | undefined {
  const ms = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

const hourMs = 3_600_000;

function Open({ at, onChange }: Props) {
  if (at !== undefined) return null;
  return (
    <Button size="s" onClick={() => onChange(new Date(Date.now() - hourMs).toISOString())}>
      State at…
    </Button>
  );
}

function Bar({ at, onChange, children }: Props & { at: string; children: React.ReactNode }) {
  const shifted = (ms: number) => onChange(new Date(Date.parse(at) + ms).toISOString());
  return (
    <section className={styles.then} aria-label="State at an instant">
      <label>
        <span>State at</span>
        <input
          type="datetime-local"
          step={1}
          key={at}
          defaultValue={`${wallTime(Date.parse(at))}:${at.slice(17, 19)}`}
          onChange={(event) => {
            const instant = readInstant(event.target.value);
            if (instant && instant !== at) onChange(instant);
          }}
        />
      </label>
      <span className={styles.thenSteps}>
        <Button size="s" onClick={() => shifted(-24 * hourMs)} title="A day earlier">
          −1 d
        </Button>
        <Button size="s" onClick={() => shifted(-hourMs)} title="An hour earlier">
          −1 h
        </Button>
        <Button size="s" onClick={() => shifted(hourMs)} title="An hour later">
          +1 h
        </Button>
      </span>
      <span className={styles.thenWords} role="status">
        <Moment at={at} future={Date.parse(at) > Date.now()} />. {children}
      </span>
      <Button size="s" tone="primary" onClick={() => onChange(null)}>
        Back to now
      </Button>
    </section>
  );
}

export const Then = { Button: Open, Bar };
