// What is needed seldom, folded away behind one line that says what is in it.

import styles from "./more.module.css";

export function More({
  label,
  aside,
  open,
  children,
}: {
  label: React.ReactNode;
  /** What is set inside, in a few words, so that nobody has to open it to know. */
  aside?: React.ReactNode;
  open?: boolean;
  children: React.ReactNode;
}) {
  return (
    <details className={styles.more} open={open}>
      <summary>
        <span className={styles.label}>{label}</span>
        {aside ? <span className={styles.aside}>{aside}</span> : null}
      </summary>
      <div className={styles.body}>{children}</div>
    </details>
  );
}
