// The one form for whatever an operator changes: what it touches, why, until when; and then who confirmed it.

"use client";

import { Button } from "@signalbox/ui/button";
import { Dialog, DialogBody, DialogFooter } from "@signalbox/ui/dialog";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { FieldGroup, TextField } from "@signalbox/ui/field";
import { Segmented } from "@signalbox/ui/segmented";
import { useEffect, useState } from "react";
import { type Fault, faultOf, sentence } from "@/errors.ts";
import { sentenceCase, wallTime } from "@/format.ts";
import styles from "./change-dialog.module.css";
import { ConfirmationList, type Confirmed } from "./confirmation-list.tsx";
import { type Role, useMay } from "./use-may.ts";

const ends = [
  { value: "15", label: "15 min" },
  { value: "60", label: "1 h" },
  { value: "until", label: "Until" },
  { value: "none", label: "No end" },
] as const;
type End = (typeof ends)[number]["value"];

/** Why, and what for: in the log with every act. */
export type Said = { reason: string; incident?: string };

/** What the fields of one change need to know of the form around them. */
export type Around = {
  /** Whether faults are shown: only after the first attempt. */
  tried: boolean;
  serverFault: (field: string) => string | undefined;
  expiresInMs: number | null;
};

export function ChangeDialog({
  title,
  subtitle,
  onClose,
  change,
  onSubmit,
  failed,
  needs,
  submit,
  tone = "primary",
  valid = true,
  mayExpire = false,
  mustExpire = false,
  reasonAtLeast = 1,
  notice,
  lead,
  done,
  reasonHint = "For the log and your colleagues; callers never see it.",
  fields,
  children,
}: {
  title: React.ReactNode;
  subtitle?: React.ReactNode;
  onClose: () => void;
  /** The mutation. An answer with confirmations is shown; without one, whoever asked closes the dialog. */
  change: { isPending: boolean; error: unknown; data?: unknown };
  onSubmit: (said: Said, expiresAt: string | null) => void;
  failed: string;
  needs: Role;
  submit: string;
  tone?: "primary" | "danger";
  /** Whether the fields in `children` can be sent. */
  valid?: boolean;
  mayExpire?: boolean;
  /** Whether an end is asked for. */
  mustExpire?: boolean;
  /** Characters that a reason must have. */
  reasonAtLeast?: number;
  notice?: React.ReactNode;
  /** Stands beside “for how long”. */
  lead?: React.ReactNode;
  /** The title once it is done. */
  done?: React.ReactNode;
  /** Who will read the reason. */
  reasonHint?: string;
  /** What is changed, where it is not changed already by opening the dialog. Stands before the reason. */
  fields?: (around: Around) => React.ReactNode;
  /** What goes along with it. Stands after the reason. */
  children?: (around: Around) => React.ReactNode;
}) {
  const may = useMay(needs);
  const [reason, setReason] = useState("");
  const [incident, setIncident] = useState("");
  // Once it is in the browser: the server does not know what is kept there.
  useEffect(() => setIncident(keptIncident()), []);
  const [chosenEnd, setEnd] = useState<End>("none");
  const [until, setUntil] = useState(inAnHour);
  const [tried, setTried] = useState(false);

  const end = mustExpire && chosenEnd === "none" ? "60" : chosenEnd;
  const reasonFault =
    reason.trim() === ""
      ? "Say why: whoever comes next reads it."
      : reason.trim().length < reasonAtLeast
        ? `Say more: ${reasonAtLeast} characters or more.`
        : undefined;
  const untilFault = end === "until" && !(Date.parse(until) > Date.now()) ? "A time to come." : undefined;
  const fault = change.error ? faultOf(change.error) : undefined;
  const serverFault = (field: string) => fault?.fields.find((it) => it.field === field)?.message;
  const expiresInMs =
    end === "none" ? null : end === "until" ? Date.parse(until) - Date.now() : Number(end) * 60_000;

  const around = { tried, serverFault, expiresInMs };

  function onForm(event: React.FormEvent) {
    event.preventDefault();
    setTried(true);
    if (reasonFault || untilFault || !valid || change.isPending || may === false) return;
    const expiresAt = expiresInMs === null ? null : new Date(Date.now() + expiresInMs).toISOString();
    const name = incident.trim();
    keepIncident(name);
    onSubmit({ reason: reason.trim(), ...(name ? { incident: name } : {}) }, expiresAt);
  }

  if (isChanged(change.data))
    return (
      <Dialog
        title={done ?? title}
        subtitle={change.data.version === null ? undefined : `Settings version ${change.data.version}`}
        onClose={onClose}
      >
        <DialogBody>
          <ConfirmationList changed={change.data} />
        </DialogBody>
        <DialogFooter>
          <Button tone="primary" onClick={onClose} ref={focusOnMount}>
            Done
          </Button>
        </DialogFooter>
      </Dialog>
    );

  return (
    <Dialog title={title} subtitle={subtitle} onClose={onClose}>
      <form onSubmit={onForm} noValidate>
        <DialogBody>
          <div className={styles.fields}>
            {may === false ? (
              <ErrorNotice tone="caution" title="Your role may look, not change">
                This needs the role {needs}.
              </ErrorNotice>
            ) : null}
            {fault ? <Refused fault={fault} title={failed} /> : null}
            {notice}
            {fields?.(around)}
            {lead || mayExpire ? (
              <div className={styles.pair}>
                {lead}
                {mayExpire ? (
                  <FieldGroup label="For how long">
                    <Segmented
                      label="Expires after"
                      options={mustExpire ? ends.filter(({ value }) => value !== "none") : ends}
                      value={end}
                      onChange={setEnd}
                    />
                  </FieldGroup>
                ) : null}
              </div>
            ) : null}
            {mayExpire && end === "until" ? (
              <TextField
                label="Until"
                type="datetime-local"
                value={until}
                onChange={(event) => setUntil(event.target.value)}
                hint="By the clock of this machine; then it goes back by itself."
                fault={tried ? (serverFault("expiresAt") ?? untilFault) : undefined}
              />
            ) : null}
            <div className={styles.why}>
              <TextField
                label="Reason"
                hint={reasonHint}
                fault={tried ? (serverFault("reason") ?? reasonFault) : undefined}
                value={reason}
                onChange={(event) => setReason(event.target.value)}
                maxLength={500}
                required
                autoComplete="off"
                data-autofocus=""
              />
              <TextField
                label="Incident"
                optional
                fault={serverFault("incident")}
                value={incident}
                onChange={(event) => setIncident(event.target.value)}
                maxLength={100}
                placeholder="INC-42"
                title="What it is done for. Kept for your next acts in this window"
                autoComplete="off"
                spellCheck={false}
              />
            </div>
            {children?.(around)}
          </div>
        </DialogBody>
        <DialogFooter>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" tone={tone} busy={change.isPending} disabled={may === false}>
            {submit}
          </Button>
        </DialogFooter>
      </form>
    </Dialog>
  );
}

function Refused({ fault, title }: { fault: Fault; title: string }) {
  // Why this very act conflicts, or is not allowed, says more than that it is so.
  const saysItself = Boolean(fault.detail) && ["conflict", "forbidden"].includes(fault.code);
  return (
    <ErrorNotice title={title} requestId={fault.requestId}>
      {saysItself ? null : <>{sentence(fault.code)} </>}
      {fault.fields.length > 0
        ? fault.fields.map(({ field, message }) => (field ? `${field} ${message}` : message)).join("; ")
        : fault.code !== "internal"
          ? `${sentenceCase(fault.detail ?? "")}${saysItself ? "." : ""}`
          : null}
    </ErrorNotice>
  );
}

const isChanged = (data: unknown): data is Confirmed =>
  typeof data === "object" && data !== null && "confirmations" in data;

const focusOnMount = (button: HTMLButtonElement | null) => button?.focus();

// Who works through an incident names it once.
const incidentKey = "incident";
const keptIncident = () => sessionStorage.getItem(incidentKey) ?? "";
const keepIncident = (name: string) => sessionStorage.setItem(incidentKey, name);

const inAnHour = () => wallTime(Date.now() + 3_600_000);
