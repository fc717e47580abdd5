// Whom a switch meets and what they get, in words.

import type { SwitchItem } from "@signalbox/modules/control/schema";

type Target = SwitchItem["targets"][number];

const relations: Record<Target["is"], string> = {
  in: "is",
  notIn: "is not",
  startsWith: "starts with",
  below: "below",
  atLeast: "at least",
};
export const relationOptions = Object.entries(relations) as [Target["is"], string][];

/** `region is eu or us, appVersion below 2.10.0`: all of them must be true. */
export const targetWords = (targets: readonly Target[]) =>
  targets
    .map(({ attribute, is, values }) => `${attribute} ${relations[is]} ${values.join(" or ")}`)
    .join(", and ");

export const insteadWords: Record<SwitchItem["instead"], { label: string; means: string }> = {
  refuse: { label: "A refusal", means: "Callers are refused with 503 and the message." },
  stale: {
    label: "What the cache holds",
    means: "Callers get what the cache holds, however old; the database is not asked.",
  },
  degrade: { label: "A smaller answer", means: "Callers get the answer without its optional parts." },
};

export const flagWords: Record<SwitchItem["flags"][number], { word: string; means: string }> = {
  stale: { word: "stale", means: "Off for 30 days without an end" },
  undrilled: {
    word: "undrilled",
    means: "Not off for 90 days: nobody knows whether this lever works",
  },
  conflict: {
    word: "conflict",
    means: "Changed on both sides while the database was away: off won. Turn it again to settle it",
  },
};

export const kindWords: Record<SwitchItem["kind"], string> = {
  all: "everything",
  prefix: "prefix",
  procedure: "call",
  job: "job",
  queue: "queue",
  consumer: "consumer of events",
  dependency: "part that processes ask",
  optional: "optional",
  tag: "tag",
  own: "yours",
};

/** What stands beside the key where that alone does not tell. */
export const kindMarks: Partial<Record<SwitchItem["kind"], { word: string; means: string }>> = {
  job: { word: "job", means: "Work in the back room, not a call" },
  queue: { word: "queue", means: "Work that waits while it is off; none is lost" },
  consumer: { word: "consumer", means: "Stops at its position in the events, and goes on from there" },
  dependency: { word: "dependency", means: "While it is off no process asks it" },
  optional: { word: "optional", means: "Answers can do without it" },
};
