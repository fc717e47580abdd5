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
