// A list whose rows are things one opens or acts on: columns where there is room, one under the other where there is not.

import { classNames } from "./class-names.ts";
import styles from "./rows.module.css";

export function Rows({
  label,
  columns,
  heads,
  children,
}: {
  label: string;
  /** As in `grid-template-columns`. */
  columns: string;
  /** For the eye; the cells say what they are by themselves. */
  heads?: React.ReactNode[];
  children: React.ReactNode;
}) {
  return (
    <div className={styles.rows} style={{ "--columns": columns } as React.CSSProperties}>
      {heads ? (
        <div className={styles.heads} aria-hidden="true">
          {heads.map((head, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: headings stay in their order
            <span key={at}>{head}</span>
          ))}
        </div>
      ) : null}
      <ul aria-label={label} className={styles.list}>
        {children}
      </ul>
    </div>
  );
}

export function Row({
  tone,
  quiet,
  children,
}: {
  /** A bar at its edge: something is off here, or for some. */
  tone?: "danger" | "caution" | undefined;
  /** Of the past: still there, not in force. */
  quiet?: boolean | undefined;
  children: React.ReactNode;
}) {
  return <li className={classNames(styles.row, tone && styles[tone], quiet && styles.quiet)}>{children}</li>;
}

/** What a press anywhere on the row does: a button or a link with this class. */
export const opensRow = styles.opens ?? "";

/** A cell that keeps its place at the right edge on a narrow screen. */
export function RowEnd({ children }: { children?: React.ReactNode }) {
  return <div className={styles.end}>{children}</div>;
}

export function RowText({
  lead,
  faint,
  wide,
  wraps,
  children,
}: {
  /** What the row is called. */
  lead?: boolean;
  faint?: boolean;
  /** On a line of its own on a narrow screen. */
  wide?: boolean;
  /** Takes as many lines as it needs rather than being cut. */
  wraps?: boolean;
  children?: React.ReactNode;
}) {
  return (
    <div
      className={classNames(
        styles.text,
        lead && styles.lead,
        faint && styles.faint,
        wide && styles.wide,
        wraps && styles.wraps,
      )}
    >
      {children}
    </div>
  );
}
