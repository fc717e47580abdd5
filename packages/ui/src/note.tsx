// What somebody should know before he goes on: set apart, and read out when it changes.

import styles from "./note.module.css";

export function Note({ label, children }: { label?: string; children: React.ReactNode }) {
  return (
    <div className={styles.note} role="status" aria-label={label}>
      {children}
    </div>
  );
}
