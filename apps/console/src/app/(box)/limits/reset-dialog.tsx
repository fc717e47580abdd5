// Back to what a limit is without anyone's change.

"use client";

import type { LimitItem } from "@signalbox/modules/control/schema";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { rateWords } from "../event-words.ts";

export function ResetDialog({ item, onClose }: { item: LimitItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const reset = useMutation(
    trpc.limits.reset.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.limits.list.queryKey() }),
    }),
  );
  const back = item.preset
    ? `back to its default, ${rateWords({ ...item, ...item.preset })}`
    : "gone; only the limits above it stay";
  return (
    <ChangeDialog
      title={
        <>
          {item.preset ? "Reset" : "Take away"} the limit <code>{item.key}</code>
        </>
      }
      subtitle={`Now ${rateWords(item)}; then it is ${back}`}
      done={
        <>
          <code>{item.key}</code> is {item.preset ? "back to its default" : "no limit any more"}
        </>
      }
      onClose={onClose}
      change={reset}
      onSubmit={(said) => reset.mutate({ key: item.key, ...said })}
      failed="The limit was not reset"
      needs="operator"
      submit={
        reset.isPending ? "Waiting for confirmations" : item.preset ? "Reset to the default" : "Take it away"
      }
    />
  );
}
