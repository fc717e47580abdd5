// An act of the log in a few words. The log keeps values as they were written; a kind that this console does not know is still an act.

import type { AuditEvent } from "@signalbox/modules/control/schema";
import type { Aspect } from "@signalbox/ui/signal-lamp";
import { count, sentenceCase } from "../../format.ts";
import { stateWords } from "./state-words.ts";

type Told = { aspect: Aspect; words: string };
/** What is undefined does not travel. */
export type ShownEvent = Omit<AuditEvent, "before" | "after"> & { before?: unknown; after?: unknown };

export function tellEvent({ kind, before, after }: Pick<ShownEvent, "kind" | "before" | "after">): Told {
  const [section, act] = kind.split(".");
  const from = asRecord(before);
  const to = asRecord(after);
  if (section === "switch") return tellSwitch(to, act ?? "set");
  if (section === "limit") return tellLimit(from, to, act === "expired");
  return others[kind]?.(to) ?? { aspect: "dark", words: sentenceCase(kind.replaceAll(/[._]/g, " ")) };
}

/** How it came about, where nobody turned it just so. */
const leads: Record<string, string> = {
  expired: "Time over: ",
  scheduled: "By plan: ",
  approved: "Approved by a second operator: ",
  imported: "From files: ",
  reverted: "Taken back: ",
  redrawn: "Other callers drawn: ",
  conflict: "Changed on both sides: ",
};

function tellSwitch(to: Values | null, act: string): Told {
  const lead = to?.breakGlass === true ? "Glass broken: " : (leads[act] ?? "");
  if (to === null) return { aspect: "clear", words: `${lead || "Back to its default, "}on` };
  if (to.state !== "on" && to.state !== "off") return { aspect: "dark", words: "Changed" };
  const share = typeof to.share === "number" ? to.share : 100;
  const words = stateWords({ state: to.state, share });
  const aspect = to.state === "on" ? "clear" : share < 100 ? "caution" : "danger";
  return { aspect, words: lead ? lead + words : `Turned ${words}` };
}

function tellLimit(from: Values | null, to: Values | null, expired: boolean): Told {
  const lead = expired ? "Time over: " : "";
  if (to === null)
    return { aspect: "clear", words: expired ? `${lead}back to its default` : "Back to its default" };
  const was = from ? `, before ${rateWords(from)}` : "";
  return { aspect: "caution", words: `${lead || "Set to "}${rateWords(to)}${was}` };
}

/** `200 a second, bursts of 1,000`; `10 in 15 min`. */
export function rateWords({ rate, burst, perSeconds, algorithm }: Values): string {
  const calls = typeof rate === "number" ? count(rate) : "?";
  const seconds = typeof perSeconds === "number" ? perSeconds : 1;
  const span =
    seconds === 1
      ? "/s"
      : seconds % 3_600 === 0
        ? ` in ${seconds === 3_600 ? "1 h" : `${seconds / 3_600} h`}`
        : seconds % 60 === 0
          ? ` in ${seconds / 60} min`
          : ` in ${seconds} s`;
  // In a sliding window nothing is saved up.
  const bursts = typeof burst === "number" && algorithm !== "sliding-window";
  return `${calls}${span}${bursts ? `, bursts of ${count(burst)}` : ""}`;
}

const others: Record<string, (to: Values | null) => Told> = {
  "protection.set": () => ({ aspect: "dark", words: "Protected: opening it takes two" }),
  "protection.lifted": () => ({ aspect: "caution", words: "Protection lifted by two" }),
  "proposal.made": (to) => ({
    aspect: "dark",
    words: `Proposed for ${String(to?.key ?? "?")}: ${
      to?.change ? tellSwitch(asRecord(to.change), "set").words.toLowerCase() : "lift the protection"
    }`,
  }),
  "proposal.approved": () => ({ aspect: "clear", words: "Proposal approved" }),
  "proposal.rejected": () => ({ aspect: "dark", words: "Proposal refused" }),
  "review.done": () => ({ aspect: "clear", words: "Broken glass looked at" }),
  "schedule.set": (to) => ({
    aspect: "dark",
    words: `Planned for ${String(to?.key ?? "?")}: ${tellSwitch(asRecord(to?.change), "set").words.toLowerCase()}`,
  }),
  "schedule.cancelled": () => ({ aspect: "dark", words: "Plan taken back" }),
  "own.set": () => ({ aspect: "dark", words: "Switch made" }),
  "archive.set": () => ({ aspect: "dark", words: "Archived for good" }),
  "freeze.set": () => ({ aspect: "caution", words: "Freeze of canaries set" }),
  "freeze.reset": () => ({ aspect: "clear", words: "Freeze of canaries taken away" }),
  "zone.set": (to) => ({
    aspect: to?.weight === 100 ? "clear" : "caution",
    words: `Takes ${String(to?.weight ?? "?")}% of its traffic`,
  }),
  "zone.expired": () => ({ aspect: "clear", words: "Time over: traffic as before" }),
  "queue.retried": () => ({ aspect: "dark", words: "Given-up work tried anew" }),
  "deadletter.replay": () => ({ aspect: "dark", words: "Dead letters run again" }),
  "deadletter.discard": () => ({ aspect: "danger", words: "Dead letter given up for good" }),
  "readmodel.compared": () => ({ aspect: "dark", words: "Copy compared with the truth" }),
  "readmodel.rebuilt": () => ({ aspect: "caution", words: "Copy made anew" }),
  "user.suspended": () => ({ aspect: "danger", words: "Account suspended" }),
  "user.restored": () => ({ aspect: "clear", words: "Suspension lifted" }),
  "user.role_changed": (to) => ({ aspect: "caution", words: `Role set to ${String(to?.role ?? "?")}` }),
  "user.sessions_ended": () => ({ aspect: "caution", words: "Signed out everywhere" }),
  "report.resolved": (to) => ({ aspect: "dark", words: `Report ${String(to?.resolution ?? "resolved")}` }),
  "case.decided": (to) => ({
    aspect: to?.resolution === "upheld" ? "danger" : "clear",
    words: caseWords(to),
  }),
  "application.created": (to) => ({
    aspect: "dark",
    words: `Application ${String(to?.name ?? "")} made`,
  }),
  "application.revoked": () => ({ aspect: "danger", words: "Application's key revoked" }),
  "cache.invalidated": (to) => ({
    aspect: "caution",
    words: to?.one ? "One value forgotten" : "Cache forgotten",
  }),
  "cache.warmed": () => ({ aspect: "dark", words: "Cache warmed" }),
  "cache_ttl.set": () => ({ aspect: "caution", words: "Cache times set" }),
  "cache_ttl.reset": () => ({ aspect: "clear", words: "Cache times back to their own" }),
  "cache_ttl.expired": () => ({ aspect: "clear", words: "Time over: cache times as before" }),
  "shed.set": () => ({ aspect: "caution", words: "How much it takes at once set" }),
  "shed.reset": () => ({ aspect: "clear", words: "How much it takes at once as by default" }),
  "dependency.expired": () => ({ aspect: "clear", words: "Time over: its breaker decides" }),
  "dependency.set": (to) => ({
    aspect: to?.force === "open" ? "danger" : to?.force === "closed" ? "caution" : "clear",
    words:
      to?.force === "open" ? "Taken out" : to?.force === "closed" ? "Kept in use" : "Its breaker decides",
  }),
  "auth.keys.rotated": () => ({ aspect: "caution", words: "Signing key rotated" }),
  "personal.export": () => ({ aspect: "dark", words: "Export of a person ordered" }),
  "personal.erasure": () => ({ aspect: "danger", words: "Erasure of a person ordered" }),
  "personal.rewrap": () => ({ aspect: "dark", words: "People's keys wrapped anew" }),
};

function caseWords(to: Values | null): string {
  const acts = [to?.removePost && "post deleted", to?.suspend && "author suspended"].filter(Boolean);
  return acts.length > 0 ? `Reports upheld: ${acts.join(", ")}` : "Reports dismissed";
}

type Values = Record<string, unknown>;
const asRecord = (value: unknown): Values | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Values) : null;
