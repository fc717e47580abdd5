// Acts of the log and decisions of the judge as one story, newest first: a decision stands with the act that it led to.

import type { CanaryStory } from "@signalbox/modules/canaries/schema";
import type { Aspect } from "@signalbox/ui/signal-lamp";
import { sentenceCase } from "../../../format.ts";
import type { ShownEvent } from "../event-words.ts";
import { verdictWords, weightWords } from "./canary-words.ts";

/** What is undefined does not travel. */
type Decision = Omit<CanaryStory["decisions"][number], "evidence"> & { evidence?: unknown };
export type Story = Omit<CanaryStory, "decisions" | "events"> & {
  decisions: Decision[];
  events: ShownEvent[];
};
type Told = {
  id: string;
  at: string;
  aspect: Aspect;
  words: string;
  who: string;
  why: string;
  decision: Decision | undefined;
};

export function tellStory({
  events,
  decisions,
  ladder,
}: Pick<Story, "events" | "decisions" | "ladder">): Told[] {
  const logged = new Set(events.map(({ revision }) => revision));
  const acts = events.map(({ id, at, actor, before, after, reason, revision }) => ({
    ...{ id, at, who: actor.name, why: reason },
    ...tellAct(asValue(before), asValue(after)),
    decision: decisions.find((one) => one.revision === revision),
  }));
  // One that the log does not know: the database was away, or it changed nothing.
  const alone = decisions
    .filter(({ revision }) => revision === null || !logged.has(revision))
    .map((decision) => ({
      ...{ id: decision.id, at: decision.at, who: "judge", why: decision.why, decision },
      aspect: verdictWords[decision.verdict as keyof typeof verdictWords]?.aspect ?? "dark",
      words: `${sentenceCase(decision.act)} at ${weightWords(ladder[decision.step]?.weight ?? 0)}`,
    }));
  return [...acts, ...alone].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
}

type Value = { state?: string; step?: number; weight?: number; extraSeconds?: number } | null;
const asValue = (value: unknown): Value => (typeof value === "object" ? (value as Value) : null);

const ends: Record<string, { aspect: Aspect; words: string }> = {
  aborted: { aspect: "danger", words: "Taken away from everybody" },
  promoted: { aspect: "clear", words: "Promoted to everybody" },
  paused: { aspect: "caution", words: "Paused" },
  frozen: { aspect: "danger", words: "Frozen where it is" },
  complete: { aspect: "clear", words: "Healthy to the end of its ladder" },
};

function tellAct(before: Value, after: Value): { aspect: Aspect; words: string } {
  if (!after) return { aspect: "dark", words: "Closed" };
  const weight = weightWords(after.weight ?? 0);
  if (!before) return { aspect: "clear", words: `Started at ${weight}` };
  const ended = before.state === after.state ? undefined : ends[after.state ?? ""];
  if (ended) return ended;
  if (before.state === "paused") return { aspect: "clear", words: `Resumed at ${weight}` };
  if (before.step !== after.step) return { aspect: "clear", words: `Next step: ${weight}` };
  return { aspect: "dark", words: `Bakes longer at ${weight}` };
}
