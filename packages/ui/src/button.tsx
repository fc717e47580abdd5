// The one button: what it looks like says how much it changes.

import type { ComponentPropsWithRef } from "react";
import styles from "./button.module.css";
import { classNames } from "./class-names.ts";

export type ButtonProps = ComponentPropsWithRef<"button"> & {
  /** `danger` takes something away from callers; `primary` is the one expected next step. */
  tone?: "plain" | "primary" | "danger" | "quiet";
  size?: "s" | "m";
  /** Under way: it stays in place, says so and cannot be pressed twice. */
  busy?: boolean;
};

export function Button({ tone = "plain", size = "m", busy, className, children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      aria-busy={busy || undefined}
      aria-disabled={busy || rest["aria-disabled"]}
      onClick={busy ? (event) => event.preventDefault() : rest.onClick}
      className={classNames(styles.button, styles[tone], size === "s" && styles.small, className)}
    >
      {busy ? <span className={styles.spinner} aria-hidden="true" /> : null}
      {children}
    </button>
  );
}
