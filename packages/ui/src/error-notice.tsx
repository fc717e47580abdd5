// Something failed: what happened, what to do, and the request id by which the log knows it.

import { classNames } from "./class-names.ts";
import styles from "./error-notice.module.css";
import { Lamp } from "./signal-lamp.tsx";

export function ErrorNotice({
  title,
  children,
  requestId,
  action,
  tone = "danger",
}: {
  title: React.ReactNode;
  children?: React.ReactNode;
  requestId?: string | undefined;
  action?: React.ReactNode;
  tone?: "danger" | "caution";
}) {
  return (
    <div role={tone === "danger" ? "alert" : "status"} className={classNames(styles.notice, styles[tone])}>
      <Lamp aspect={tone} className={styles.lamp} />
      <div className={styles.text}>
        <p className={styles.title}>{title}</p>
        {children ? <div className={styles.detail}>{children}</div> : null}
        {requestId ? (
          <p className={styles.request}>
            Request <code>{requestId}</code>
          </p>
        ) : null}
      </div>
      {action ? <div className={styles.action}>{action}</div> : null}
    </div>
  );
}
