"use client";

import type { Golden } from "@signalbox/modules/control/schema";
import { Badge } from "@signalbox/ui/badge";
import { Panel } from "@signalbox/ui/panel";
import { count } from "@/format.ts";
import type { Span } from "./choices.ts";
import styles from "./overview.module.css";

const spanWords: Record<Span, string> = { "30s": "30 seconds", "5m": "5 minutes", "1h": "hour" };

const shownAtMost = 6;

/** The same failure many times is one line with a count, and one request id to follow. */
export function ErrorList({
  signatures,
  window,
}: {
  signatures: Golden["errorSignatures"] | undefined;
  window: Span;
}) {
  return (
    <Panel
      title="Top errors"
      aside={signatures?.length === 0 ? `none in the last ${spanWords[window]}` : null}
      flush
    >
      <ol>
        {signatures?.slice(0, shownAtMost).map((it) => (
          <li key={`${it.code} ${it.endpoint} ${it.message}`} className={styles.signature}>
            <p className={styles.signatureHead}>
              <Badge tone="danger">{it.code}</Badge>
              <span className={styles.signatureCount}>{count(it.count)}×</span>
            </p>
            <p className={styles.signatureText}>{it.message}</p>
            <p className={styles.signatureFoot}>
              <code>{it.endpoint}</code>
              <span title="The newest request that failed so">
                request <code>{it.requestId}</code>
              </span>
            </p>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
