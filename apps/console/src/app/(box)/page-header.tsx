// The head of a page: its name, a word on how things stand, and what narrows it down.

"use client";

import { useEffect } from "react";
import { pressEarlyButton } from "./early-input.ts";
import styles from "./page-header.module.css";

export function PageHeader({
  title,
  status,
  about,
  children,
}: {
  title: string;
  status?: React.ReactNode;
  about?: React.ReactNode;
  children?: React.ReactNode;
}) {
  // Where a page's head is alive, so is the rest of it.
  useEffect(pressEarlyButton, []);
  return (
    <>
      <title>{`${title} · Signalbox`}</title>
      <header className={styles.header}>
        <h1>{title}</h1>
        {status}
        {children ? <div className={styles.controls}>{children}</div> : null}
        {about ? <p className={styles.about}>{about}</p> : null}
      </header>
    </>
  );
}
