// To anything by its name: a page, a switch, a limit, a person. Opened with Ctrl or Cmd and K from everywhere.

"use client";

import { classNames } from "@signalbox/ui/class-names";
import { Dialog } from "@signalbox/ui/dialog";
import { Kbd } from "@signalbox/ui/kbd";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { useQuery } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useId, useState } from "react";
import { useTRPC } from "@/trpc.ts";
import { pageGroups } from "./pages.tsx";
import styles from "./palette.module.css";
import { type Place, rankPlaces } from "./places.ts";
import { aspectOf, stateWords } from "./state-words.ts";
import { useSwitches } from "./use-switches.ts";

const shownAtMost = 12;

export function Palette({ onClose }: { onClose: () => void }) {
  const router = useRouter();
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const listId = useId();
  const found = rankPlaces(usePlaces(typed.trim()), typed, shownAtMost);
  const chosen = found[Math.min(at, found.length - 1)];

  function open(place: Place) {
    onClose();
    router.push(place.href);
  }

  function onKeyDown(event: React.KeyboardEvent) {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0 && found.length > 0) {
      event.preventDefault();
      setAt((now) => (Math.min(now, found.length - 1) + step + found.length) % found.length);
    } else if (event.key === "Enter" && chosen) {
      event.preventDefault();
      open(chosen);
    }
  }

  return (
    <Dialog title="Go to" onClose={onClose}>
      <div className={styles.palette}>
        <input
          className={styles.field}
          role="combobox"
          aria-label="A page, a switch, a limit or a person"
          aria-expanded="true"
          aria-controls={listId}
          aria-activedescendant={chosen ? `${listId}-${found.indexOf(chosen)}` : undefined}
          aria-autocomplete="list"
          autoComplete="off"
          spellCheck={false}
          placeholder="A page, a switch, a limit or a person"
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
            setAt(0);
          }}
          onKeyDown={onKeyDown}
          data-autofocus=""
        />
        <div id={listId} role="listbox" aria-label="Places" className={styles.list}>
          {found.map((place, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys, as a combobox does
            <div
              key={place.href}
              id={`${listId}-${index}`}
              role="option"
              aria-selected={place === chosen}
              tabIndex={-1}
              className={classNames(styles.place, place === chosen && styles.chosen)}
              onPointerMove={() => setAt(index)}
              onClick={() => open(place)}
            >
              <span className={styles.kind}>{place.kind}</span>
              {place.kind === "Page" || place.kind === "Person" ? (
                <span className={styles.name}>{place.name}</span>
              ) : (
                <code className={styles.name}>{place.name}</code>
              )}
              <span className={styles.hint}>{place.hint}</span>
            </div>
          ))}
        </div>
        {found.length === 0 ? <p className={styles.none}>Nothing here is called “{typed.trim()}”.</p> : null}
        <p className={styles.keys} aria-hidden="true">
          <Kbd>↑</Kbd> <Kbd>↓</Kbd> choose <Kbd>Enter</Kbd> go <Kbd>Esc</Kbd> close
        </p>
      </div>
    </Dialog>
  );
}

function usePlaces(typed: string): Place[] {
  const trpc = useTRPC();
  const { items } = useSwitches();
  const { data: limits } = useQuery(trpc.limits.list.queryOptions({}, { staleTime: 10_000 }));
  const places: Place[] = pageGroups.flatMap((group) =>
    group.pages.map((page) => ({
      kind: "Page" as const,
      name: page.name,
      href: page.path,
      hint: `${group.name} · g ${page.key}`,
    })),
  );
  for (const item of items ?? [])
    places.push({
      kind: "Switch",
      name: item.key,
      href: `/switches?flip=${encodeURIComponent(item.key)}`,
      hint: <SignalLamp aspect={aspectOf(item.effective)}>{stateWords(item.effective)}</SignalLamp>,
    });
  for (const { key } of limits?.items ?? [])
    places.push({ kind: "Limit", name: key, href: `/limits?edit=${encodeURIComponent(key)}`, hint: "" });
  if (typed.length > 1)
    places.push({
      kind: "Person",
      name: `Find “${typed}” among people`,
      href: `/people?q=${encodeURIComponent(typed)}`,
      hint: "",
      last: true,
    });
  return places;
}
