// A change that was proposed or planned, in words.

import type { ProposalItem } from "@signalbox/modules/control/schema";
import { stateWords } from "../state-words.ts";
import { insteadWords, targetWords } from "./switch-words.ts";

export function changeWords(change: ProposalItem["change"]): string {
  if (change === null) return "Lift the protection";
  const { state, share = 100, targets = [], instead = "refuse" } = change;
  if (state === "on") return "Turn on";
  return [
    `Turn ${stateWords({ state, share })}`,
    targets.length > 0 && `where ${targetWords(targets)}`,
    instead !== "refuse" && `they get ${insteadWords[instead].label.toLowerCase()}`,
  ]
    .filter(Boolean)
    .join(", ");
}
