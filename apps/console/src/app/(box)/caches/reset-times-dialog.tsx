"use client";

import type { CacheSet } from "@signalbox/modules/control/schema";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { timesWords } from "./times-words.ts";

export function ResetTimesDialog({ change, onClose }: { change: CacheSet; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const reset = useMutation(
    trpc.caches.reset.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.caches.list.queryKey() }),
    }),
  );
  return (
    <ChangeDialog
      title={
        <>
          Reset the times of <code>{change.key}</code>
        </>
      }
      subtitle={`Now ${timesWords(change)}`}
      done={
        <>
          <code>{change.key}</code> is back to its own times
        </>
      }
      onClose={onClose}
      change={reset}
      onSubmit={(said) => reset.mutate({ entity: change.key, ...said })}
      failed="The times were not reset"
      needs="operator"
      submit={reset.isPending ? "Waiting for confirmations" : "Reset"}
    />
  );
}
