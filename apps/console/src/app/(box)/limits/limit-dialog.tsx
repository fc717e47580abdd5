// Changing one limit, or setting one where there is none yet.

"use client";

import type { LimitItem } from "@signalbox/modules/control/schema";
import { ChoiceField, TextField } from "@signalbox/ui/field";
import { Note } from "@signalbox/ui/note";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { compact, count } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { rateWords } from "../event-words.ts";
import { KeyField, useKeyFault } from "../key-field.tsx";
import { useGoldenPoll } from "../use-golden.ts";
import { callsBelow, countsWhat } from "./limit-words.ts";
import styles from "./limits.module.css";

/** What a limit counts. */
const callKinds = ["procedure", "prefix"] as const;
const highest = { rate: 1_000_000, burst: 10_000_000 };

export function LimitDialog({
  name,
  item,
  onClose,
}: {
  /** Undefined: the key is asked for too. */
  name: string | undefined;
  /** What holds now, if anything does. */
  item: LimitItem | undefined;
  onClose: () => void;
}) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const set = useMutation(
    trpc.limits.set.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.limits.list.queryKey() }),
    }),
  );
  const [typedKey, setTypedKey] = useState("");
  const [rate, setRate] = useState(item ? String(item.rate) : "");
  const [burst, setBurst] = useState(item ? String(item.burst) : "");
  const [by, setBy] = useState<LimitItem["by"]>(item?.by ?? "caller");
  const [algorithm, setAlgorithm] = useState<LimitItem["algorithm"]>(item?.algorithm ?? "token-bucket");
  const isBucket = algorithm === "token-bucket";

  const key = name ?? typedKey.trim();
  const rateFault = inRange(rate, highest.rate, false) ? undefined : "A number above 0.";
  const burstFault = !isBucket || inRange(burst, highest.burst, true) ? undefined : "A whole number from 1.";
  const unknownKey = useKeyFault(key, callKinds);
  const keyFault = name === undefined ? unknownKey : undefined;
  const seconds = item?.perSeconds ?? 1;

  return (
    <ChangeDialog
      title={
        name ? (
          <>
            Change the limit <code>{name}</code>
          </>
        ) : (
          "Limit another call"
        )
      }
      subtitle={
        item
          ? `${countsWhat(item)}: now ${rateWords(item)}${item.preset && !item.isDefault ? `; by default ${rateWords({ ...item, ...item.preset })}` : ""}`
          : "Callers are counted one by one"
      }
      done={
        <>
          <code>{set.variables?.key}</code> allows{" "}
          {set.variables ? rateWords({ perSeconds: seconds, ...set.variables }) : ""}
        </>
      }
      onClose={onClose}
      change={set}
      onSubmit={(said, expiresAt) =>
        set.mutate({
          key,
          rate: Number(rate),
          algorithm,
          by,
          ...(isBucket ? { burst: Number(burst) } : {}),
          ...said,
          expiresAt,
        })
      }
      failed="The limit was not changed"
      needs="operator"
      submit={set.isPending ? "Waiting for confirmations" : "Change the limit"}
      valid={!rateFault && !burstFault && !keyFault}
      mayExpire
      notice={key && !keyFault ? <Touched name={key} /> : null}
      fields={({ tried, serverFault }) => (
        <>
          {name === undefined ? (
            <KeyField
              label="Call"
              kinds={callKinds}
              value={typedKey}
              onChange={setTypedKey}
              fault={tried ? (serverFault("key") ?? keyFault) : undefined}
            />
          ) : null}
          <div className={styles.pair}>
            <TextField
              data-autofocus=""
              label={seconds === 1 ? "Calls a second" : `Times in ${seconds / 60} min`}
              inputMode="decimal"
              value={rate}
              onChange={(event) => setRate(event.target.value)}
              fault={tried ? (serverFault("rate") ?? rateFault) : undefined}
              hint={item?.preset ? `By default ${count(item.preset.rate)}.` : undefined}
            />
            {isBucket ? (
              <TextField
                label="At once, after a rest"
                inputMode="numeric"
                value={burst}
                onChange={(event) => setBurst(event.target.value)}
                fault={tried ? (serverFault("burst") ?? burstFault) : undefined}
                hint={item?.preset ? `By default ${count(item.preset.burst)}.` : undefined}
              />
            ) : null}
          </div>
          <div className={styles.choices}>
            {by === "account" || name === "user" || name === "address" ? null : (
              <ChoiceField
                label="Counted together"
                options={[
                  { value: "caller", label: "Each caller" },
                  { value: "address", label: "Each address" },
                ]}
                value={by}
                onChange={setBy}
              />
            )}
            <ChoiceField
              label="Unused calls"
              options={[
                { value: "token-bucket", label: "Are saved up" },
                { value: "sliding-window", label: "Are lost" },
              ]}
              value={algorithm}
              onChange={setAlgorithm}
            />
          </div>
        </>
      )}
    />
  );
}

function inRange(text: string, most: number, whole: boolean): boolean {
  const value = Number(text);
  return text.trim() !== "" && value > 0 && value <= most && (!whole || Number.isInteger(value));
}

function Touched({ name }: { name: string }) {
  const { data: golden } = useGoldenPoll("5m", "endpoint");
  const below = callsBelow(name, golden);
  return (
    <Note>
      {below
        ? `Below this key now: ${compact(below.rps)} requests per second of all callers together, ${count(below.refused)} refused in the last 5 minutes.`
        : "How many calls this touches is not known."}
    </Note>
  );
}
