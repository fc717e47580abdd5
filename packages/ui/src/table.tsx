// A dense table that scrolls sideways on its own, keeps its first column in sight and sorts by its headings.

import { classNames } from "./class-names.ts";
import styles from "./table.module.css";

export type Direction = "asc" | "desc";

export function Table({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section className={styles.scroll} aria-label={label} tabIndex={0}>
      <table className={styles.table}>{children}</table>
    </section>
  );
}

/** The headings of a table that is read as it stands: texts first, then figures, then what can be done. */
export function HeadRow({
  texts,
  numbers = [],
  actions = false,
}: {
  texts: readonly string[];
  numbers?: readonly string[];
  actions?: boolean;
}) {
  return (
    <thead>
      <tr>
        {texts.map((text) => (
          <th key={text} scope="col">
            {text}
          </th>
        ))}
        {numbers.map((text) => (
          <th key={text} scope="col" className={styles.numeric}>
            {text}
          </th>
        ))}
        {actions ? (
          <th scope="col">
            <span className="visually-hidden">What can be done</span>
          </th>
        ) : null}
      </tr>
    </thead>
  );
}

export function SortHeading<K extends string>({
  column,
  sort,
  onSort,
  numeric,
  children,
}: {
  column: K;
  sort: { by: string; direction: Direction };
  onSort: (column: K) => void;
  numeric?: boolean;
  children: React.ReactNode;
}) {
  const active = sort.by === column;
  return (
    <th
      scope="col"
      className={classNames(numeric && styles.numeric)}
      aria-sort={active ? (sort.direction === "asc" ? "ascending" : "descending") : undefined}
    >
      <button type="button" className={styles.sort} onClick={() => onSort(column)}>
        {children}
        <span className={styles.arrow} aria-hidden="true">
          {active ? (sort.direction === "asc" ? "↑" : "↓") : ""}
        </span>
      </button>
    </th>
  );
}

export function Cell({
  numeric,
  tone,
  className,
  children,
}: {
  numeric?: boolean;
  tone?: "faint" | "caution" | "danger" | undefined;
  className?: string;
  children: React.ReactNode;
}) {
  return (
    <td className={classNames(numeric && styles.numeric, tone && styles[tone], className)}>{children}</td>
  );
}
