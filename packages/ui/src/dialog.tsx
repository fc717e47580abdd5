// A native <dialog>: focus stays inside, Escape closes it, and focus goes back to where it came from.

"use client";

import { useId, useLayoutEffect, useRef } from "react";
import { classNames } from "./class-names.ts";
import styles from "./dialog.module.css";

export function Dialog({
  title,
  subtitle,
  side = false,
  onClose,
  children,
}: {
  title: React.ReactNode;
  subtitle?: React.ReactNode;
  /** A panel at the right edge, for reading; otherwise it stands in the middle. */
  side?: boolean;
  onClose: () => void;
  children: React.ReactNode;
}) {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();

  // In the layout phase, so that the dialog closes, and gives focus back, while it is still in the document.
  useLayoutEffect(() => {
    const dialog = element.current;
    // React moves focus for `autoFocus` before the dialog is shown, so the first field is named by attribute.
    dialog?.showModal();
    const first =
      dialog?.querySelector<HTMLElement>("[data-autofocus]") ??
      dialog?.querySelector<HTMLElement>("[data-body]");
    first?.focus();
    return () => dialog?.close();
  }, []);

  return (
    <dialog
      ref={element}
      aria-labelledby={titleId}
      className={classNames(styles.dialog, side && styles.side)}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      // A press on the backdrop has the dialog itself as its target.
      onMouseDown={(event) => {
        if (event.target === element.current) onClose();
      }}
    >
      <div className={styles.frame}>
        <header className={styles.header}>
          <div className={styles.titles}>
            <h2 id={titleId} className={styles.title}>
              {title}
            </h2>
            {subtitle ? <p className={styles.subtitle}>{subtitle}</p> : null}
          </div>
          <button type="button" className={styles.close} onClick={onClose} aria-label="Close">
            <svg viewBox="0 0 16 16" aria-hidden="true">
              <path d="m4 4 8 8m0-8-8 8" />
            </svg>
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

export function DialogBody({ children }: { children: React.ReactNode }) {
  // Focus without a better place lands here, so that the arrow keys scroll what there is to read.
  return (
    <div className={styles.body} data-body="" tabIndex={-1}>
      {children}
    </div>
  );
}

export function DialogFooter({ children }: { children: React.ReactNode }) {
  return <footer className={styles.footer}>{children}</footer>;
}
