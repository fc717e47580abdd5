// What will happen once the switch is turned: who is touched, by how much traffic, and what stays as it is all the same.

"use client";

import type { SwitchItem } from "@signalbox/modules/control/schema";
import { Note } from "@signalbox/ui/note";
import { compact, count } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import { useGoldenPoll } from "../use-golden.ts";
import { useSwitches } from "../use-switches.ts";
import type { Draft } from "./draft.ts";
import styles from "./flip-dialog.module.css";
import { isWork, standsFor, takesCalls, touchedBy } from "./switch-groups.ts";

const listedAtMost = 5;

const happens: Record<Draft["instead"], string> = {
  refuse: "are refused",
  stale: "get what the cache holds",
  degrade: "get a smaller answer",
};

export function FlipPreview({ item, draft }: { item: SwitchItem; draft: Draft }) {
  const { data: golden } = useGoldenPoll("30s", "endpoint");
  const { items = [] } = useSwitches();
  const { rps, endpoints } = touchedBy(item, items, golden);
  const below = standsFor(item, items).filter(({ key }) => key !== item.key);
  const jobs = [item, ...below].filter(isWork).length;
  const optional = [item, ...below].filter(({ kind }) => kind === "optional").length;
  const { by } = item.effective;
  const broader = by !== null && by !== item.key ? by : undefined;
  const own = below.filter(({ state }) => state === "off");
  const share = Number(draft.share) || 0;
  const perMinute = (rps * 60 * (draft.state === "off" ? share : 100)) / 100;
  const isOff = draft.state === "off";
  const parts = [item, ...below].filter(({ kind }) => kind === "dependency").length;
  return (
    <Note label="What will happen">
      {takesCalls(item) && parts === 0 ? (
        <p>
          {!golden ? (
            "How much traffic this touches is not known: signals can not be read."
          ) : endpoints.length === 0 ? (
            "No calls below this key in the last 30 seconds."
          ) : (
            <>
              {isOff ? (draft.targets.length > 0 ? "At most " : "About ") : "Touches "}
              <strong>{compact(perMinute)} requests a minute</strong>
              {endpoints.length > 1 ? ` on ${endpoints.length} endpoints` : ""}
              {isOff
                ? ` ${happens[draft.instead]}${draft.targets.length > 0 ? ": those of callers with these attributes" : ""}.`
                : " at the rate of now."}
            </>
          )}
        </p>
      ) : null}
      {endpoints.length > 1 ? (
        <ul className={styles.endpoints}>
          {endpoints.slice(0, listedAtMost).map((endpoint) => (
            <li key={endpoint.key}>
              <code>{endpoint.key}</code>
              <span>{compact(endpoint.rps * 60)}/min</span>
            </li>
          ))}
          {endpoints.length > listedAtMost ? <li>and {endpoints.length - listedAtMost} more</li> : null}
        </ul>
      ) : null}
      {jobs > 0 && isOff ? (
        <p>
          {jobs === 1 ? "Its work waits" : `Work of ${count(jobs)} jobs, queues and consumers waits`} while it
          is off, and is done afterwards: nothing is lost.
        </p>
      ) : null}
      {optional > 0 && isOff && draft.instead !== "stale" ? (
        <p>
          {`Answers leave out ${optional === 1 ? "an optional part" : `${count(optional)} optional parts`}; nobody is refused for that.`}
        </p>
      ) : null}
      {parts > 0 && isOff ? (
        <p>
          No process asks {parts === 1 ? "it" : `any of these ${count(parts)} parts`} any more: what can do
          without goes on, everything else is refused at once.
        </p>
      ) : null}
      {item.kind === "own" ? <p>Applications that ask for it hear of it at once.</p> : null}
      {broader && !isOff ? (
        <p>
          It stays off for callers all the same, by <code>{broader}</code>: that one was switched off later.
        </p>
      ) : null}
      {own.length > 0 && !isOff ? (
        <p>
          Stays off by itself: <code>{own.map(({ key }) => key).join(", ")}</code>
        </p>
      ) : null}
      {item.state === "off" && item.expiresAt ? (
        <p>
          It was to end <Moment at={item.expiresAt} future />; what you choose here replaces that.
        </p>
      ) : null}
    </Note>
  );
}
