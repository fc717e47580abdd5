// A position of a switch while it is being typed: what its fields hold, what is wrong with them, and what is sent.

import type { SetSwitch, SwitchItem } from "@signalbox/modules/control/schema";

type Position = Pick<SetSwitch, "state" | "share" | "targets" | "instead" | "message">;
type Target = SwitchItem["targets"][number];
type TargetDraft = { id: number; attribute: string; is: Target["is"]; values: string };

export type Draft = {
  state: "on" | "off";
  share: string;
  targets: TargetDraft[];
  instead: SwitchItem["instead"];
  message: string;
};

let lastId = 0;
export const newTarget = (): TargetDraft => ({
  ...{ id: ++lastId, attribute: "region", is: "in", values: "" },
});

export const draftOf = (item: SwitchItem, state: "on" | "off"): Draft => ({
  state,
  // A position that was on says nothing about the next off.
  share: item.state === "off" ? String(item.share) : "100",
  targets: item.targets.map(({ attribute, is, values }) => ({
    ...{ id: ++lastId, attribute, is, values: values.join(", ") },
  })),
  instead: item.instead,
  message: item.message,
});

const valuesOf = (text: string) =>
  text
    .split(",")
    .map((value) => value.trim())
    .filter(Boolean);

export function shareFault({ state, share }: Draft): string | undefined {
  if (state === "on") return undefined;
  const value = Number(share);
  if (share.trim() === "" || !(value > 0 && value <= 100)) return "A number above 0 and up to 100.";
  return Math.abs(value * 1_000 - Math.round(value * 1_000)) < 1e-6 ? undefined : "In steps of 0.001.";
}

export const targetFault = ({ attribute, values }: TargetDraft): string | undefined =>
  !/^[a-zA-Z][\w.-]{0,63}$/.test(attribute.trim())
    ? "A name such as region or appVersion."
    : valuesOf(values).length === 0
      ? "One value, or several with commas between them."
      : undefined;

export const isValid = (draft: Draft) =>
  draft.state === "on" || (!shareFault(draft) && draft.targets.every((target) => !targetFault(target)));

export function positionOf({ state, share, targets, instead, message }: Draft): Position {
  if (state === "on") return { state };
  return {
    state,
    share: Number(share),
    targets: targets.map(({ attribute, is, values }) => ({
      ...{ attribute: attribute.trim(), is, values: valuesOf(values) },
    })),
    instead,
    message: message.trim(),
  };
}

/** What is set beyond a plain off for everyone; undefined: nothing. */
export function beyondPlain({ share, targets, instead }: Draft): string | undefined {
  const words = [
    Number(share) !== 100 && `${share}% of callers`,
    targets.length > 0 && (targets.length === 1 ? "one condition" : `${targets.length} conditions`),
    instead !== "refuse" && (instead === "stale" ? "from the cache" : "without optional parts"),
  ].filter(Boolean);
  return words.length > 0 ? words.join(", ") : undefined;
}

/** Whether it lets through somebody whom the switch stops now: under a protected key that takes two. */
export function letsMoreThrough(item: SwitchItem, draft: Draft): boolean {
  if (item.state === "on") return false;
  if (draft.state === "on" || Number(draft.share) < item.share) return true;
  const rank = { refuse: 2, stale: 1, degrade: 0 };
  if (rank[draft.instead] < rank[item.instead]) return true;
  return (
    draft.targets.length > 0 && JSON.stringify(positionOf(draft).targets) !== JSON.stringify(item.targets)
  );
}
