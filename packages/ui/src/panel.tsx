// A framed part of a page with its heading.

import { useId } from "react";
import { classNames } from "./class-names.ts";
import styles from "./panel.module.css";

export function Panel({
  title,
  label,
  aside,
  children,
  className,
  flush = false,
}: {
  title?: React.ReactNode;
  /** Where the page's own heading already says what this is. */
  label?: string;
  aside?: React.ReactNode;
  children: React.ReactNode;
  className?: string;
  /** Content reaches the edges, as a table does. */
  flush?: boolean;
}) {
  const id = useId();
  return (
    <section
      aria-label={label}
      aria-labelledby={title ? id : undefined}
      className={classNames(styles.panel, className)}
    >
      {title ? (
        <header className={styles.header}>
          <h2 id={id}>{title}</h2>
          {aside ? <div className={styles.aside}>{aside}</div> : null}
        </header>
      ) : null}
      <div className={flush ? styles.flush : styles.body}>{children}</div>
    </section>
  );
}
