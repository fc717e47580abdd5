// A signal as a railwayman reads it: colour and shape say the same thing, and a word says it again.

import { classNames } from "./class-names.ts";
import styles from "./signal-lamp.module.css";

/** `dark` is a lamp that says nothing: unknown, or no news. */
export type Aspect = "clear" | "caution" | "danger" | "dark";

/** Circle, triangle, bar and ring, so that the aspect survives without its colour. */
export function Lamp({ aspect, className }: { aspect: Aspect; className?: string }) {
  return (
    <svg
      className={classNames(styles.lamp, styles[aspect], className)}
      viewBox="0 0 12 12"
      aria-hidden="true"
      focusable="false"
    >
      {aspect === "clear" ? <circle cx="6" cy="6" r="4.5" /> : null}
      {aspect === "caution" ? <path d="M6 1.1 11.3 10.6H.7Z" strokeLinejoin="round" /> : null}
      {aspect === "danger" ? (
        <>
          <rect x="1" y="1" width="10" height="10" rx="1.5" />
          <rect className={styles.bar} x="3" y="5" width="6" height="2" rx="0.5" />
        </>
      ) : null}
      {aspect === "dark" ? <circle className={styles.ring} cx="6" cy="6" r="4" /> : null}
    </svg>
  );
}

export function SignalLamp({
  aspect,
  children,
  title,
}: {
  aspect: Aspect;
  children: React.ReactNode;
  title?: string;
}) {
  return (
    <span className={classNames(styles.signal, styles[`${aspect}Text`])} title={title}>
      <Lamp aspect={aspect} />
      <span>{children}</span>
    </span>
  );
}
