// Turning one switch: what it touches, what callers will read, why, until when; and then who confirmed it.

"use client";

import type { SwitchItem } from "@signalbox/modules/control/schema";
import { Button } from "@signalbox/ui/button";
import { Dialog, DialogBody, DialogFooter } from "@signalbox/ui/dialog";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { FieldGroup, TextArea, TextField } from "@signalbox/ui/field";
import { Segmented } from "@signalbox/ui/segmented";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { faultOf, sentence } from "@/errors.ts";
import { compact, sentenceCase } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { useGoldenPoll } from "../use-golden.ts";
import { stateWords, useSwitches } from "../use-switches.ts";
import { ConfirmationList } from "./confirmation-list.tsx";
import styles from "./flip-dialog.module.css";
import { RefusalPreview } from "./refusal-preview.tsx";
import { touchedBy } from "./switch-groups.ts";

const ends = [
  { value: "15", label: "15 min" },
  { value: "60", label: "1 h" },
  { value: "none", label: "No end" },
] as const;
type End = (typeof ends)[number]["value"];

export function FlipDialog({ item, onClose }: { item: SwitchItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const { mayTurn } = useSwitches();
  const set = useMutation(
    trpc.switches.set.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.switches.list.queryKey() }),
    }),
  );

  // What is proposed first is the other position: the one step that a hurry asks for.
  const [state, setState] = useState<"on" | "off">(item.effective.state === "on" ? "off" : "on");
  const [share, setShare] = useState("100");
  const [message, setMessage] = useState(item.message);
  const [reason, setReason] = useState("");
  const [end, setEnd] = useState<End>("none");
  const [tried, setTried] = useState(false);

  const shareNumber = Number(share);
  const shareFault =
    state === "off" && !(share.trim() !== "" && shareNumber > 0 && shareNumber <= 100)
      ? "A number above 0 and up to 100."
      : undefined;
  const reasonFault = reason.trim() === "" ? "Say why: whoever comes next reads it." : undefined;
  const fault = set.error ? faultOf(set.error) : undefined;
  const serverFault = (field: string) => fault?.fields.find((it) => it.field === field)?.message;
  const expiresAt = end === "none" ? null : new Date(Date.now() + Number(end) * 60_000).toISOString();

  function submit(event: React.FormEvent) {
    event.preventDefault();
    setTried(true);
    if (reasonFault || shareFault || set.isPending || mayTurn === false) return;
    set.mutate({
      key: item.key,
      state,
      reason: reason.trim(),
      expiresAt,
      ...(state === "off" ? { share: shareNumber, message: message.trim() } : {}),
    });
  }

  if (set.data && set.variables)
    return (
      <Dialog
        title={
          <>
            <code>{item.key}</code> is{" "}
            {stateWords({ state: set.variables.state, share: set.variables.share ?? 100 })}
          </>
        }
        subtitle={`Settings version ${set.data.version}`}
        onClose={onClose}
      >
        <DialogBody>
          <ConfirmationList changed={set.data} />
        </DialogBody>
        <DialogFooter>
          <Button tone="primary" onClick={onClose} data-autofocus="" ref={focusOnMount}>
            Done
          </Button>
        </DialogFooter>
      </Dialog>
    );

  return (
    <Dialog
      title={
        <>
          Turn {state} <code>{item.key}</code>
        </>
      }
      subtitle={`Now ${stateWords(item.effective)}${item.effective.by && item.effective.by !== item.key ? ` by ${item.effective.by}` : ""}`}
      onClose={onClose}
    >
      <form onSubmit={submit} noValidate>
        <DialogBody>
          <div className={styles.fields}>
            {mayTurn === false ? <ErrorNotice tone="caution" title="Your role may look, not turn" /> : null}
            {fault ? (
              <ErrorNotice title="The switch was not turned" requestId={fault.requestId}>
                {sentence(fault.code)}{" "}
                {fault.fields.length === 0 && fault.code !== "internal"
                  ? sentenceCase(fault.detail ?? "")
                  : null}
              </ErrorNotice>
            ) : null}
            <Touched item={item} />
            <div className={styles.pair}>
              <FieldGroup label="State">
                <Segmented
                  label="State"
                  options={[
                    { value: "on", label: "On", tone: "clear" },
                    { value: "off", label: "Off", tone: "danger" },
                  ]}
                  value={state}
                  onChange={setState}
                />
              </FieldGroup>
              <FieldGroup label="For how long">
                <Segmented label="Expires after" options={ends} value={end} onChange={setEnd} />
              </FieldGroup>
            </div>
            <TextField
              label="Reason"
              hint="For the log and your colleagues; callers never see it."
              fault={tried ? (serverFault("reason") ?? reasonFault) : undefined}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
              maxLength={500}
              required
              autoComplete="off"
              data-autofocus=""
            />
            {state === "off" ? (
              <>
                <FieldGroup label="For how many callers">
                  <div className={styles.share}>
                    <Segmented
                      label="Share of callers"
                      options={["1", "10", "50", "100"].map((value) => ({
                        value,
                        label: value === "100" ? "Everyone" : `${value}%`,
                      }))}
                      value={share}
                      onChange={setShare}
                    />
                    <label className={styles.percent}>
                      <span className="visually-hidden">Percent of callers</span>
                      <input
                        inputMode="decimal"
                        value={share}
                        onChange={(event) => setShare(event.target.value)}
                        aria-invalid={shareFault ? true : undefined}
                      />
                      %
                    </label>
                  </div>
                  {shareFault ? <p className={styles.fault}>{shareFault}</p> : null}
                </FieldGroup>
                <TextArea
                  label="Message to callers"
                  optional
                  value={message}
                  onChange={(event) => setMessage(event.target.value)}
                  maxLength={500}
                  fault={serverFault("message")}
                />
                <RefusalPreview
                  message={message.trim()}
                  expiresInMs={end === "none" ? null : Number(end) * 60_000}
                />
              </>
            ) : null}
          </div>
        </DialogBody>
        <DialogFooter>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            type="submit"
            tone={state === "off" ? "danger" : "primary"}
            busy={set.isPending}
            disabled={mayTurn === false}
          >
            {set.isPending
              ? "Waiting for confirmations"
              : state === "on"
                ? "Turn on"
                : shareNumber < 100 && !shareFault
                  ? `Turn off for ${share}%`
                  : "Turn off for everyone"}
          </Button>
        </DialogFooter>
      </form>
    </Dialog>
  );
}

const focusOnMount = (button: HTMLButtonElement | null) => button?.focus();

const listedAtMost = 5;

function Touched({ item }: { item: SwitchItem }) {
  const { data: golden } = useGoldenPoll("30s", "endpoint");
  const { rps, endpoints } = touchedBy(item.key, golden);
  if (item.kind === "job")
    return (
      <p className={styles.touched}>
        A job: while it is off its events wait in the queue and run afterwards.
      </p>
    );
  if (!golden)
    return (
      <p className={styles.touched}>How much traffic this touches is not known: signals can not be read.</p>
    );
  if (endpoints.length === 0)
    return <p className={styles.touched}>No calls below this key in the last 30 seconds.</p>;
  return (
    <div className={styles.touched}>
      <p>
        Touches <strong>{compact(rps)} requests per second</strong> now
        {endpoints.length > 1 ? ` on ${endpoints.length} endpoints` : ""}.
      </p>
      {endpoints.length > 1 ? (
        <ul>
          {endpoints.slice(0, listedAtMost).map((endpoint) => (
            <li key={endpoint.key}>
              <code>{endpoint.key}</code>
              <span>{compact(endpoint.rps)}/s</span>
            </li>
          ))}
          {endpoints.length > listedAtMost ? <li>and {endpoints.length - listedAtMost} more</li> : null}
        </ul>
      ) : null}
    </div>
  );
}
