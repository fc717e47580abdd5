// A framed part of a page with its heading.

import { useId } from "react";
import { classNames } from "./class-names.ts";
import styles from "./panel.module.css";

export function Panel({
  title,
  aside,
  children,
  className,
  flush = false,
}: {
  title: React.ReactNode;
  aside?: React.ReactNode;
  children: React.ReactNode;
  className?: string;
  /** Content reaches the edges, as a table does. */
  flush?: boolean;
}) {
  const id = useId();
  return (
    <section aria-labelledby={id} className={classNames(styles.panel, className)}>
      <header className={styles.header}>
        <h2 id={id}>{title}</h2>
        {aside ? <div className={styles.aside}>{aside}</div> : null}
      </header>
      <div className={flush ? undefined : styles.body}>{children}</div>
    </section>
  );
}
