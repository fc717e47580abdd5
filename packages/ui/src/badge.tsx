// A short word set apart: a count, a track, a tag.

import styles from "./badge.module.css";
import { classNames } from "./class-names.ts";

export function Badge({
  tone = "plain",
  children,
  title,
}: {
  tone?: "plain" | "accent" | "clear" | "caution" | "danger";
  children: React.ReactNode;
  title?: string;
}) {
  return (
    <span className={classNames(styles.badge, styles[tone])} title={title}>
      {children}
    </span>
  );
}
