// Taking one act back. Where its key was changed since, the platform says by whom; only then may it be forced.

"use client";

import { CheckField } from "@signalbox/ui/field";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { faultOf } from "@/errors.ts";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "./change-dialog.tsx";
import { EventDiff } from "./event-diff.tsx";
import { type ShownEvent, tellEvent } from "./event-words.ts";

/** Sections of the log whose acts can be taken back; the platform has the last word. */
const revertible = new Set([
  ...["switch", "limit", "weight", "number", "cache_ttl", "shed", "zone", "dependency", "own"],
]);
export const isRevertible = ({ kind }: Pick<ShownEvent, "kind">) =>
  revertible.has(kind.split(".", 1)[0] ?? "");

export function RevertDialog({ event, onClose }: { event: ShownEvent; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const revert = useMutation(
    trpc.audit.revert.mutationOptions({ onSuccess: () => queryClient.invalidateQueries() }),
  );
  const [force, setForce] = useState(false);
  const changedSince = faultOf(revert.error).code === "conflict";
  return (
    <ChangeDialog
      title={
        <>
          Take back version {event.revision} of <code>{event.key}</code>
        </>
      }
      subtitle={`${tellEvent(event).words}, by ${event.actor.name}: ${event.reason}`}
      done={
        <>
          Version {event.revision} of <code>{event.key}</code> is taken back
        </>
      }
      onClose={onClose}
      change={revert}
      onSubmit={(said) => revert.mutate({ revision: event.revision, ...said, force })}
      failed="It was not taken back"
      needs="operator"
      submit={revert.isPending ? "Waiting for confirmations" : force ? "Take it back anyway" : "Take it back"}
      tone={force ? "danger" : "primary"}
      notice={<EventDiff from={event.after} to={event.before} heads={["Now by this act", "Afterwards"]} />}
    >
      {() =>
        changedSince ? (
          <CheckField
            label="Take it back although it was changed since"
            hint="What was changed since is lost; the log keeps it."
            checked={force}
            onChange={(input) => setForce(input.target.checked)}
          />
        ) : null
      }
    </ChangeDialog>
  );
}
