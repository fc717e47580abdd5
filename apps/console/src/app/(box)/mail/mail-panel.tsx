// One mail as its reader gets it, with its link to open and its token to copy.

"use client";

import type { MailItem } from "@signalbox/modules/mail/schema";
import { Dialog, DialogBody, DialogFooter } from "@signalbox/ui/dialog";
import { Moment } from "@/moment.tsx";
import { CopyButton } from "../copy-button.tsx";
import styles from "./mail-panel.module.css";
import { readMail } from "./read-mail.ts";

export function MailPanel({ mail, onClose }: { mail: MailItem; onClose: () => void }) {
  const { token, command, parts } = readMail(mail.text);
  return (
    <Dialog
      side
      title={mail.subject}
      subtitle={
        <>
          To {mail.to}, <Moment at={mail.sentAt} />
        </>
      }
      onClose={onClose}
    >
      <DialogBody>
        <div className={styles.text}>
          {parts.map(({ text, kind }, at) =>
            kind === "link" ? (
              // biome-ignore lint/suspicious/noArrayIndexKey: parts of one text stay in their order
              <a key={at} href={text} target="_blank" rel="noreferrer">
                {text}
              </a>
            ) : kind === "token" ? (
              // biome-ignore lint/suspicious/noArrayIndexKey: as above
              <code key={at} className={styles.token}>
                {text}
              </code>
            ) : (
              text
            ),
          )}
        </div>
      </DialogBody>
      {token ? (
        <DialogFooter>
          {command ? <CopyButton text={command}>Copy as a command</CopyButton> : null}
          <CopyButton text={token} tone="primary">
            Copy the token
          </CopyButton>
        </DialogFooter>
      ) : null}
    </Dialog>
  );
}
