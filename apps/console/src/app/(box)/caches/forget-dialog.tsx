// Making every instance forget: one value, all values of a cache, or all below a prefix.

"use client";

import { TextField } from "@signalbox/ui/field";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";

export function ForgetDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const { data: caches } = useQuery(trpc.caches.list.queryOptions({}));
  const forget = useMutation(
    trpc.caches.invalidate.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.caches.list.queryKey() }),
    }),
  );
  const [typed, setTyped] = useState(name);
  const listId = useId();
  const what = typed.trim();
  const one = what.includes(":");
  const [cache = ""] = what.split(":", 1);
  const known =
    cache === "*" ||
    caches?.items.some(({ entity }) => entity === cache || (!one && entity.startsWith(`${cache}.`)));
  const fault = !what
    ? "Say what: users.profile:<id>, users.profile, users, or * for everything."
    : known === false
      ? "Nothing that is cached is called so."
      : undefined;

  return (
    <ChangeDialog
      title={
        what ? (
          <>
            Forget <code>{what}</code>
          </>
        ) : (
          "Forget something"
        )
      }
      subtitle="On every instance and in Redis; the next reader loads it anew"
      done={
        <>
          <code>{what}</code> is forgotten
        </>
      }
      onClose={onClose}
      change={{
        ...forget,
        data: forget.data ? { version: null, confirmations: forget.data } : undefined,
      }}
      onSubmit={(said) => forget.mutate({ ...said, ...(one ? { key: what } : { prefix: what }) })}
      failed="Nothing was forgotten"
      needs="operator"
      submit={forget.isPending ? "Waiting for confirmations" : "Forget"}
      tone={what === "*" ? "danger" : "primary"}
      valid={!fault}
      fields={({ tried, serverFault }) => (
        <>
          <TextField
            data-autofocus={name ? undefined : ""}
            label="What"
            list={listId}
            hint={
              what === "*"
                ? "Everything: the database bears all reads until the caches are warm again."
                : "A cache, all below a prefix, or with a colon one value: users.handle:ann"
            }
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            fault={tried ? (serverFault("key") ?? serverFault("prefix") ?? fault) : undefined}
            autoComplete="off"
            spellCheck={false}
          />
          <datalist id={listId}>
            {caches?.items.map(({ entity }) => (
              <option key={entity} value={entity} />
            ))}
          </datalist>
        </>
      )}
    />
  );
}
