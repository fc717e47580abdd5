// The refusal exactly as a caller of the REST door reads it; the gateway's own words where the operator gives none.

import styles from "./flip-dialog.module.css";

const withoutMessage = "this is switched off for now; try again later";
const withoutEndMs = 30_000;

export function RefusalPreview({ message, expiresInMs }: { message: string; expiresInMs: number | null }) {
  const retryAfterMs = Math.min(expiresInMs ?? withoutEndMs, 3_600_000);
  const body = {
    type: "https://signalbox.dev/errors#disabled",
    title: "Switched off",
    status: 503,
    code: "disabled",
    detail: message || withoutMessage,
    requestId: "…",
    retryAfterMs,
  };
  return (
    <details className={styles.preview} open>
      <summary>What callers read</summary>
      <pre>
        <span className={styles.quiet}>
          {`HTTP/1.1 503 Service Unavailable\nContent-Type: application/problem+json\nRetry-After: ${Math.ceil(retryAfterMs / 1_000)}\n\n`}
        </span>
        {JSON.stringify(body, null, 2)}
      </pre>
    </details>
  );
}
