// Turning one switch: what it touches, what callers will read, why, until when; and then who confirmed it.

"use client";

import type { SwitchItem } from "@signalbox/modules/control/schema";
import { FieldGroup, TextArea } from "@signalbox/ui/field";
import { Segmented } from "@signalbox/ui/segmented";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { compact } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { stateWords } from "../state-words.ts";
import { useGoldenPoll } from "../use-golden.ts";
import styles from "./flip-dialog.module.css";
import { RefusalPreview } from "./refusal-preview.tsx";
import { touchedBy } from "./switch-groups.ts";

export function FlipDialog({ item, onClose }: { item: SwitchItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const set = useMutation(
    trpc.switches.set.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.switches.list.queryKey() }),
    }),
  );

  // What is proposed first is the other position: the one step that a hurry asks for.
  const [state, setState] = useState<"on" | "off">(item.effective.state === "on" ? "off" : "on");
  const [share, setShare] = useState("100");
  const [message, setMessage] = useState(item.message);

  const shareNumber = Number(share);
  const shareFault =
    state === "off" && !(share.trim() !== "" && shareNumber > 0 && shareNumber <= 100)
      ? "A number above 0 and up to 100."
      : undefined;

  return (
    <ChangeDialog
      title={
        <>
          Turn {state} <code>{item.key}</code>
        </>
      }
      subtitle={`Now ${stateWords(item.effective)}${item.effective.by && item.effective.by !== item.key ? ` by ${item.effective.by}` : ""}`}
      done={
        <>
          <code>{item.key}</code> is{" "}
          {stateWords({ state: set.variables?.state ?? state, share: set.variables?.share ?? 100 })}
        </>
      }
      onClose={onClose}
      change={set}
      onSubmit={(why) =>
        set.mutate({
          key: item.key,
          state,
          ...why,
          ...(state === "off" ? { share: shareNumber, message: message.trim() } : {}),
        })
      }
      failed="The switch was not turned"
      needs="operator"
      submit={
        set.isPending
          ? "Waiting for confirmations"
          : state === "on"
            ? "Turn on"
            : shareNumber < 100 && !shareFault
              ? `Turn off for ${share}%`
              : "Turn off for everyone"
      }
      tone={state === "off" ? "danger" : "primary"}
      valid={!shareFault}
      mayExpire
      notice={<Touched item={item} />}
      lead={
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
      }
    >
      {({ serverFault, expiresInMs }) =>
        state === "off" ? (
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
            <RefusalPreview message={message.trim()} expiresInMs={expiresInMs} />
          </>
        ) : null
      }
    </ChangeDialog>
  );
}

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
