// One headline figure with what it is compared to, and room for its course over time.

import { classNames } from "./class-names.ts";
import { type Aspect, Lamp } from "./signal-lamp.tsx";
import styles from "./stat.module.css";

export function Stat({
  label,
  value,
  unit,
  aspect,
  word,
  detail,
  children,
}: {
  label: string;
  value: string;
  unit?: string | undefined;
  /** Only where the figure is judged; a figure without a bar has no lamp. */
  aspect?: Aspect | undefined;
  word?: string | undefined;
  detail?: React.ReactNode;
  children?: React.ReactNode;
}) {
  return (
    <section className={styles.stat} aria-label={label}>
      <header className={styles.header}>
        <h2 className={styles.label}>{label}</h2>
        {aspect ? (
          <span className={classNames(styles.word, styles[aspect])}>
            <Lamp aspect={aspect} />
            {word}
          </span>
        ) : null}
      </header>
      <p className={styles.figure}>
        <span className={styles.value}>{value}</span>
        {unit ? <span className={styles.unit}>{unit}</span> : null}
        {detail ? <span className={styles.detail}>{detail}</span> : null}
      </p>
      {children ? <div className={styles.course}>{children}</div> : null}
    </section>
  );
}
