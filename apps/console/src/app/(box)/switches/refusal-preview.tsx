// The refusal exactly as a caller of the REST door reads it.

import { switchedOff } from "@signalbox/modules/control/schema";
import { Verbatim } from "@signalbox/ui/verbatim";
import styles from "./flip-dialog.module.css";

export function RefusalPreview({ message, expiresInMs }: { message: string; expiresInMs: number | null }) {
  const { detail, retryAfterMs } = switchedOff(message, expiresInMs);
  const body = {
    type: "https://signalbox.dev/errors#disabled",
    title: "Switched off",
    status: 503,
    code: "disabled",
    detail,
    requestId: "…",
    retryAfterMs,
  };
  return (
    <details className={styles.preview}>
      <summary>What callers read</summary>
      <Verbatim>
        <span className={styles.quiet}>
          {`HTTP/1.1 503 Service Unavailable\nContent-Type: application/problem+json\nRetry-After: ${Math.ceil(retryAfterMs / 1_000)}\n\n`}
        </span>
        {JSON.stringify(body, null, 2)}
      </Verbatim>
    </details>
  );
}
