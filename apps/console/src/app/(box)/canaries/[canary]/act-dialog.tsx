// What an operator does to one canary, each with its reason and with what it means said first.

"use client";

import type { CanaryItem } from "@signalbox/modules/canaries/schema";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../../change-dialog.tsx";
import { weightWords } from "../canary-words.ts";

export type Act = "pause" | "resume" | "promote" | "abort" | "restore";

const words: Record<Act, { verb: string; means: (weight: string) => string; done: string; tone?: "danger" }> =
  {
    pause: {
      verb: "Pause",
      means: (weight) => `It stays at ${weight}. The judge still turns it back if it is worse.`,
      done: "is paused",
    },
    resume: { verb: "Resume", means: () => "It goes on, and this step bakes anew.", done: "goes on" },
    promote: {
      verb: "Promote",
      means: (weight) => `From ${weight} to everybody at once, whatever the judge says.`,
      done: "is everybody's",
      tone: "danger",
    },
    abort: {
      verb: "Abort",
      means: () => "Nobody gets the change any more.",
      done: "is aborted",
      tone: "danger",
    },
    restore: {
      verb: "Restore",
      means: () => "Everybody gets the former side back.",
      done: "is taken back",
      tone: "danger",
    },
  };

export function ActDialog({ act, item, onClose }: { act: Act; item: CanaryItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const settled = {
    onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.canaries.pathKey() }),
  };
  const changes = {
    pause: useMutation(trpc.canaries.pause.mutationOptions(settled)),
    resume: useMutation(trpc.canaries.resume.mutationOptions(settled)),
    promote: useMutation(trpc.canaries.promote.mutationOptions(settled)),
    abort: useMutation(trpc.canaries.abort.mutationOptions(settled)),
    restore: useMutation(trpc.canaries.restore.mutationOptions(settled)),
  };
  const { verb, means, done, tone } = words[act];
  const change = changes[act];
  return (
    <ChangeDialog
      title={
        <>
          {verb} the canary of <code>{item.name}</code>
        </>
      }
      subtitle={means(weightWords(item.weight))}
      done={
        <>
          The canary of <code>{item.name}</code> {done}
        </>
      }
      onClose={onClose}
      change={change}
      onSubmit={(said) => change.mutate({ id: item.id, ...said })}
      failed="The canary was not changed"
      needs="operator"
      submit={change.isPending ? "Waiting for confirmations" : `${verb} the canary`}
      tone={tone ?? "primary"}
    />
  );
}
