// How long the values of one cache are kept. Only what was changed here is set.

"use client";

import type { CacheItem } from "@signalbox/modules/control/schema";
import { TextField } from "@signalbox/ui/field";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import styles from "./caches.module.css";

const fields = [
  ["l1Ms", "In the memory of a process"],
  ["l2Ms", "In Redis, for all"],
  ["negativeMs", "That there is nothing"],
  ["staleMs", "Longer, should the source be away"],
  ["cdnSeconds", "On a CDN, for guests"],
] as const;
type Field = (typeof fields)[number][0];

const perSecond = (field: Field) => (field === "cdnSeconds" ? 1 : 1_000);

export function TimesDialog({ item, onClose }: { item: CacheItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const change = useMutation(
    trpc.caches.set.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.caches.list.queryKey() }),
    }),
  );
  const [typed, setTyped] = useState<Record<Field, string>>(
    () =>
      Object.fromEntries(
        fields.map(([field]) => [field, String(item.ttl[field] / perSecond(field))]),
      ) as Record<Field, string>,
  );
  const valueAt = (field: Field) => Math.round(Number(typed[field]) * perSecond(field));
  const faultAt = (field: Field) =>
    typed[field].trim() !== "" && Number(typed[field]) >= 0 ? undefined : "A number of seconds, 0 or more.";
  const changed = fields.filter(([field]) => valueAt(field) !== item.ttl[field]);
  const valid = changed.length > 0 && fields.every(([field]) => !faultAt(field));

  return (
    <ChangeDialog
      title={
        <>
          How long <code>{item.entity}</code> is kept
        </>
      }
      subtitle="In seconds. What is made shorter is forgotten at once."
      done={
        <>
          <code>{item.entity}</code> has new times
        </>
      }
      onClose={onClose}
      change={change}
      onSubmit={(said, expiresAt) =>
        change.mutate({
          entity: item.entity,
          ...said,
          expiresAt,
          ...Object.fromEntries(changed.map(([field]) => [field, valueAt(field)])),
        })
      }
      failed="The times were not changed"
      needs="operator"
      submit={
        change.isPending
          ? "Waiting for confirmations"
          : changed.length === 0
            ? "Nothing changed"
            : "Change the times"
      }
      valid={valid}
      mayExpire
      fields={({ serverFault }) => (
        <div className={styles.pair}>
          {fields.map(([field, label]) => (
            <TextField
              key={field}
              data-autofocus=""
              label={label}
              inputMode="decimal"
              value={typed[field]}
              onChange={(event) => setTyped((now) => ({ ...now, [field]: event.target.value }))}
              fault={serverFault(field) ?? faultAt(field)}
            />
          ))}
        </div>
      )}
    />
  );
}
