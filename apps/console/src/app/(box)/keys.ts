// The keys of every page. They rest while one types, holds a modifier, or has a dialog open.

"use client";

import { useEffect } from "react";
import { pressEarlyKeys } from "./early-input.ts";
import { reachFilter } from "./reach-filter.ts";

const chordMs = 1_200;
let pressedG = Number.NEGATIVE_INFINITY;

export function useKeys({
  go,
  help,
  find,
}: {
  go: (key: string) => void;
  help: () => void;
  find: () => void;
}) {
  useEffect(() => {
    function onKey(event: KeyboardEvent) {
      if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
      // The palette opens from within a field too.
      if ((event.metaKey || event.ctrlKey) && !event.altKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        find();
        return;
      }
      if (event.metaKey || event.ctrlKey || event.altKey || isField(event.target)) return;
      if (performance.now() - pressedG < chordMs) {
        pressedG = Number.NEGATIVE_INFINITY;
        go(event.key);
        return;
      }
      if (event.key === "g") pressedG = performance.now();
      else if (event.key === "?") help();
      else if (event.key === "/") {
        event.preventDefault();
        reachFilter();
      } else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
    }
    document.addEventListener("keydown", onKey);
    pressEarlyKeys();
    return () => document.removeEventListener("keydown", onKey);
  }, [go, help, find]);
}

/** Rows that can be acted on carry `data-step`. */
function step(by: 1 | -1) {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-step]")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = rows[at === -1 ? (by === 1 ? 0 : rows.length - 1) : at + by];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

const isField = (target: EventTarget | null) =>
  target instanceof HTMLElement &&
  (target.isContentEditable ||
    (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && (target as HTMLInputElement).type !== "radio"));
