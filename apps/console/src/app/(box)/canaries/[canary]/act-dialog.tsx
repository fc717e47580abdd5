// What an operator does to one canary, each with its reason and with what it means said first.

"use client";

import type { CanaryItem } from "@signalbox/modules/canaries/schema";
import { TextField } from "@signalbox/ui/field";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../../change-dialog.tsx";
import { weightWords } from "../canary-words.ts";

export type Act = "pause" | "resume" | "extend" | "promote" | "abort" | "restore" | "close";

const words: Record<Act, { verb: string; means: (weight: string) => string; done: string; tone?: "danger" }> =
  {
    pause: {
      verb: "Pause",
      means: (weight) => `It stays at ${weight}. The judge still turns it back if it is worse.`,
      done: "is paused",
    },
    resume: { verb: "Resume", means: () => "It goes on, and this step bakes anew.", done: "goes on" },
    extend: {
      verb: "Extend",
      means: (weight) => `This step at ${weight} bakes longer. The judge still turns it back if it is worse.`,
      done: "bakes longer",
    },
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
    close: {
      verb: "Close",
      means: () =>
        "Nobody goes by it any more: callers get what stands without it. For when the change is everybody’s by itself.",
      done: "is closed",
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
    close: useMutation(trpc.canaries.close.mutationOptions(settled)),
  };
  const extend = useMutation(trpc.canaries.extend.mutationOptions(settled));
  const [minutes, setMinutes] = useState("15");
  const seconds = Math.round(Number(minutes) * 60);
  const minutesFault = seconds >= 1 && seconds <= 7 * 86_400 ? undefined : "Up to a week in minutes.";
  const { verb, means, done, tone } = words[act];
  const change = act === "extend" ? extend : changes[act];
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
      onSubmit={(said) =>
        act === "extend"
          ? extend.mutate({ id: item.id, seconds, ...said })
          : changes[act].mutate({ id: item.id, ...said })
      }
      valid={act !== "extend" || !minutesFault}
      fields={({ tried, serverFault }) =>
        act === "extend" ? (
          <TextField
            data-autofocus=""
            label="Minutes more"
            inputMode="decimal"
            value={minutes}
            onChange={(event) => setMinutes(event.target.value)}
            fault={tried ? (serverFault("seconds") ?? minutesFault) : undefined}
          />
        ) : null
      }
      failed="The canary was not changed"
      needs="operator"
      submit={change.isPending ? "Waiting for confirmations" : `${verb} the canary`}
      tone={tone ?? "primary"}
    />
  );
}
