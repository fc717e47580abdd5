// Turning one switch: what will happen, why, until when; and then who confirmed it. What is needed seldom is under More.

"use client";

import type { SwitchItem } from "@signalbox/modules/control/schema";
import { ChoiceField, FieldGroup, TextArea } from "@signalbox/ui/field";
import { More } from "@signalbox/ui/more";
import { Segmented } from "@signalbox/ui/segmented";
import { useToast } from "@signalbox/ui/toasts";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { stateWords } from "../state-words.ts";
import { beyondPlain, type Draft, draftOf, isValid, letsMoreThrough, positionOf } from "./draft.ts";
import { FlipPreview } from "./flip-preview.tsx";
import { RefusalPreview } from "./refusal-preview.tsx";
import { ScopeFields } from "./scope-fields.tsx";

type Way = "propose" | "glass";
const glassReason = 15;

export function FlipDialog({ item, onClose }: { item: SwitchItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const toast = useToast();
  const refresh = () =>
    Promise.all([
      queryClient.invalidateQueries({ queryKey: trpc.switches.pathKey() }),
      queryClient.invalidateQueries({ queryKey: trpc.proposals.pathKey() }),
      queryClient.invalidateQueries({ queryKey: trpc.reviews.pathKey() }),
    ]);
  const set = useMutation(trpc.switches.set.mutationOptions({ onSuccess: refresh }));
  const propose = useMutation(
    trpc.proposals.make.mutationOptions({
      onSuccess() {
        toast("clear", `Proposed for ${item.key}: a second operator has to say yes`);
        onClose();
        return refresh();
      },
    }),
  );

  // What is proposed first is the other position: the one step that a hurry asks for.
  const [draft, setDraft] = useState(() => draftOf(item, item.effective.state === "on" ? "off" : "on"));
  const [chosenWay, setWay] = useState<Way>("propose");
  const change = (to: Partial<Draft>) => setDraft((now) => ({ ...now, ...to }));
  const { state } = draft;
  const way = item.isProtected && letsMoreThrough(item, draft) ? chosenWay : undefined;
  const mutation = way === "propose" ? propose : set;
  const beyond = beyondPlain(draft);
  // Opened once where there is something to see; from then on it is the operator's.
  const [isOpen] = useState(item.state === "off" && beyond !== undefined);

  return (
    <ChangeDialog
      title={
        <>
          Turn {state} <code>{item.key}</code>
        </>
      }
      subtitle={
        <>
          {item.title ? `${item.title}. ` : ""}Now {stateWords(item.effective)}
          {item.effective.by && item.effective.by !== item.key ? ` by ${item.effective.by}` : ""}
        </>
      }
      done={
        <>
          <code>{item.key}</code> is{" "}
          {stateWords({ state: set.variables?.state ?? state, share: set.variables?.share ?? 100 })}
        </>
      }
      onClose={onClose}
      change={mutation}
      onSubmit={(said, expiresAt) => {
        const position = positionOf(draft);
        if (way === "propose")
          propose.mutate({ key: item.key, change: position, expires: expiresAt, ...said });
        else
          set.mutate({
            key: item.key,
            ...position,
            ...said,
            expiresAt,
            ...(way === "glass" ? { breakGlass: true } : {}),
          });
      }}
      failed={way === "propose" ? "It was not proposed" : "The switch was not turned"}
      needs="operator"
      submit={submitWords(draft, way, mutation.isPending)}
      tone={state === "off" || way === "glass" ? "danger" : "primary"}
      valid={isValid(draft)}
      mayExpire
      mustExpire={way === "glass"}
      reasonAtLeast={way === "glass" ? glassReason : 1}
      notice={<FlipPreview item={item} draft={draft} />}
      lead={
        <ChoiceField
          label="State"
          options={[
            { value: "on", label: "On", tone: "clear" },
            { value: "off", label: "Off", tone: "danger" },
          ]}
          value={state}
          onChange={(value) => change({ state: value })}
        />
      }
    >
      {({ serverFault, expiresInMs, tried }) => (
        <>
          {way ? (
            <FieldGroup
              label="It is protected: letting more callers through takes two"
              hint={
                way === "propose"
                  ? "It waits up to seven days for a second operator’s yes; until then nothing changes."
                  : `At once, for four hours at most. Say why in ${glassReason} characters or more; somebody else looks at it within a day.`
              }
            >
              <Segmented
                label="How"
                options={[
                  { value: "propose", label: "Propose it" },
                  { value: "glass", label: "Break the glass", tone: "danger" },
                ]}
                value={way}
                onChange={setWay}
              />
            </FieldGroup>
          ) : null}
          {state === "off" ? (
            <>
              <TextArea
                label="Message to callers"
                optional
                value={draft.message}
                onChange={(event) => change({ message: event.target.value })}
                maxLength={500}
                fault={serverFault("message")}
              />
              <More
                label="More"
                aside={beyond ?? "for a few, for some only, what they get instead"}
                open={isOpen}
              >
                <ScopeFields narrowedBy={item.narrowedBy} draft={draft} onChange={change} tried={tried} />
                {draft.instead === "refuse" ? (
                  <RefusalPreview message={draft.message.trim()} expiresInMs={expiresInMs} />
                ) : null}
              </More>
            </>
          ) : null}
        </>
      )}
    </ChangeDialog>
  );
}

function submitWords(draft: Draft, way: Way | undefined, isPending: boolean): string {
  if (isPending) return way === "propose" ? "Proposing" : "Waiting for confirmations";
  if (way === "propose") return draft.state === "on" ? "Propose to turn on" : "Propose it";
  const lead = way === "glass" ? "Break the glass: turn" : "Turn";
  if (draft.state === "on") return `${lead} on`;
  const whom = draft.targets.length > 0 ? " of those" : "";
  const share = Number(draft.share);
  if (share > 0 && share < 100) return `${lead} off for ${draft.share}%${whom}`;
  return draft.targets.length > 0 ? `${lead} off for those` : `${lead} off for everyone`;
}
