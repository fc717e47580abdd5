// What else is done about a switch than turning it, each with its reason and with what it means said first.

"use client";

import type { SwitchItem } from "@signalbox/modules/control/schema";
import { useToast } from "@signalbox/ui/toasts";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import type { Role } from "../use-may.ts";

export type Act = "protect" | "lift" | "redraw" | "archive";

const words: Record<
  Act,
  { verb: string; means: string; done: string; needs: Role; submit: string; tone?: "danger" }
> = {
  protect: {
    verb: "Protect",
    means:
      "From now on letting more callers through here, or below, takes a second operator. Stopping them never waits.",
    done: "is protected",
    needs: "admin",
    submit: "Protect it",
  },
  lift: {
    verb: "Lift the protection of",
    means: "A second operator has to say yes to this too.",
    done: "waits for a second operator",
    needs: "operator",
    submit: "Propose to lift it",
  },
  redraw: {
    verb: "Draw other callers for",
    means: "As many callers as before, but others: those who met it are let out, and new ones come in.",
    done: "meets other callers now",
    needs: "operator",
    submit: "Draw other callers",
  },
  archive: {
    verb: "Archive",
    means: "Nobody can ask for it any more, and the key is never used again for anything.",
    done: "is archived",
    needs: "operator",
    submit: "Archive for good",
    tone: "danger",
  },
};

export function ActDialog({ act, item, onClose }: { act: Act; item: SwitchItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const toast = useToast();
  const refresh = {
    onSuccess: () => queryClient.invalidateQueries(),
  };
  const changes = {
    protect: useMutation(trpc.switches.protect.mutationOptions(refresh)),
    redraw: useMutation(trpc.switches.redraw.mutationOptions(refresh)),
    archive: useMutation(trpc.switches.archive.mutationOptions(refresh)),
  };
  const lift = useMutation(
    trpc.proposals.make.mutationOptions({
      onSuccess() {
        toast("clear", `Proposed for ${item.key}: a second operator has to say yes`);
        onClose();
        return queryClient.invalidateQueries({ queryKey: trpc.proposals.pathKey() });
      },
    }),
  );
  const { verb, means, done, needs, submit, tone = "primary" } = words[act];
  const change = act === "lift" ? lift : changes[act];
  return (
    <ChangeDialog
      title={
        <>
          {verb} <code>{item.key}</code>
        </>
      }
      subtitle={means}
      done={
        <>
          <code>{item.key}</code> {done}
        </>
      }
      onClose={onClose}
      change={change}
      onSubmit={(said) =>
        act === "lift"
          ? lift.mutate({ key: item.key, change: null, ...said })
          : changes[act].mutate({ key: item.key, ...said })
      }
      failed="Nothing was changed"
      needs={needs}
      submit={change.isPending ? "Waiting for confirmations" : submit}
      tone={tone}
    />
  );
}
