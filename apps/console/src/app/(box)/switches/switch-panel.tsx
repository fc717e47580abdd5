// All there is to know of one switch, what else can be done about it, and what happened to it.

"use client";

import type { SwitchItem } from "@signalbox/modules/control/schema";
import { Button } from "@signalbox/ui/button";
import { type Fact, Facts } from "@signalbox/ui/facts";
import { useState } from "react";
import { Moment } from "@/moment.tsx";
import { HistoryPanel } from "../history-panel.tsx";
import { stateWords } from "../state-words.ts";
import { useMay } from "../use-may.ts";
import { type Act, ActDialog } from "./act-dialog.tsx";
import { PlanDialog } from "./plan-dialog.tsx";
import { flagWords, insteadWords, kindWords, targetWords } from "./switch-words.ts";
import styles from "./switches.module.css";

export function SwitchPanel({
  item,
  onFlip,
  onClose,
}: {
  item: SwitchItem;
  onFlip: () => void;
  onClose: () => void;
}) {
  const [act, setAct] = useState<Act | "plan" | null>(null);
  const may = useMay("operator");
  const mayProtect = useMay("admin");
  const facts: Fact[] = [
    ["Is", `${kindWords[item.kind]}${item.title ? `: ${item.title}` : ""}`],
    [
      "Callers",
      `${stateWords(item.effective)}${item.effective.by && item.effective.by !== item.key ? ` by ${item.effective.by}` : ""}`,
    ],
  ];
  if (item.targets.length > 0) facts.push(["Meets", targetWords(item.targets)]);
  if (item.state === "off") facts.push(["They get", insteadWords[item.instead].label.toLowerCase()]);
  if (item.message) facts.push(["They read", `“${item.message}”`]);
  if (item.expiresAt) facts.push(["Ends", <Moment key="ends" at={item.expiresAt} future />]);
  if (item.tags.length > 0) facts.push(["Tags", item.tags.join(", ")]);
  if (item.effective.state === "on")
    facts.push([
      "Last off",
      item.lastOffAt ? <Moment key="off" at={item.lastOffAt} /> : "never, as far as the log goes",
    ]);
  if (item.isProtected) facts.push(["Protected", "letting more callers through takes two"]);
  if (item.isOverridden)
    facts.push(["Overridden", "a file on some machine decides there, whatever is set here"]);
  for (const flag of item.flags) facts.push([flagWords[flag].word, flagWords[flag].means]);

  return (
    <HistoryPanel
      name={item.key}
      never="This switch was never turned"
      subtitle="A switch, and its history"
      onClose={onClose}
    >
      <Facts facts={facts} />
      {may ? (
        <div className={styles.acts}>
          <Button size="s" tone={item.effective.state === "on" ? "danger" : "primary"} onClick={onFlip}>
            {item.effective.state === "on" ? "Turn off" : "Change"}
          </Button>
          <Button size="s" onClick={() => setAct("plan")}>
            Plan
          </Button>
          {item.isProtected ? (
            <Button size="s" onClick={() => setAct("lift")}>
              Lift protection
            </Button>
          ) : mayProtect ? (
            <Button size="s" onClick={() => setAct("protect")}>
              Protect
            </Button>
          ) : null}
          {item.state === "off" && item.share < 100 ? (
            <Button size="s" onClick={() => setAct("redraw")}>
              Draw others
            </Button>
          ) : null}
          {item.kind === "own" ? (
            <Button size="s" onClick={() => setAct("archive")}>
              Archive
            </Button>
          ) : null}
        </div>
      ) : null}
      {act === "plan" ? <PlanDialog item={item} onClose={() => setAct(null)} /> : null}
      {act && act !== "plan" ? (
        <ActDialog key={act} act={act} item={item} onClose={() => setAct(null)} />
      ) : null}
    </HistoryPanel>
  );
}
