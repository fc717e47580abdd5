// The levers. What is open is in the address: `flip` a dialog, `history` a panel, `at` an instant that is looked back to.

"use client";

import type { SwitchItem } from "@signalbox/modules/control/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { FilterField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { Segmented } from "@signalbox/ui/segmented";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { isAway } from "@/errors.ts";
import { useTRPC } from "@/trpc.ts";
import { readChoice } from "@/url-state.ts";
import { useUrl } from "@/use-url.ts";
import { PageHeader } from "../page-header.tsx";
import { QueryFault } from "../query-view.tsx";
import { useGoldenPoll } from "../use-golden.ts";
import { useMay } from "../use-may.ts";
import { useSwitches } from "../use-switches.ts";
import { kinds, type Narrowed, shows } from "./choices.ts";
import { FlipDialog } from "./flip-dialog.tsx";
import { NewDialog } from "./new-dialog.tsx";
import { Plans } from "./plans.tsx";
import { groupSwitches, tagModule, touchedBy } from "./switch-groups.ts";
import { SwitchPanel } from "./switch-panel.tsx";
import { SwitchRow } from "./switch-row.tsx";
import styles from "./switches.module.css";
import { readInstant, Then } from "./then.tsx";
import { Waiting } from "./waiting.tsx";

const defaults = { show: shows.values[0], kind: kinds.values[0] };

export function Switches() {
  const trpc = useTRPC();
  const { params, set } = useUrl(defaults);
  const { items: now, byKey, turnedOff, ...query } = useSwitches();
  const at = readInstant(params.get("at"));
  const past = useQuery(
    trpc.switches.list.queryOptions(
      { at },
      { enabled: at !== undefined, staleTime: Number.POSITIVE_INFINITY },
    ),
  );
  const items = at === undefined ? now : past.data?.items;
  const mayTurn = useMay("operator");
  const error = at === undefined ? query.error : past.error;
  const { data: golden } = useGoldenPoll("30s", "endpoint");
  const [text, setText] = useState(params.get("q") ?? "");
  const tags = useMemo(() => [...new Set(now?.flatMap((item) => item.tags))].sort(), [now]);
  const narrowed: Narrowed = {
    text,
    show: readChoice(shows, params),
    kind: readChoice(kinds, params),
    tag: tags.find((tag) => tag === params.get("tag")),
  };
  const groups = groupSwitches(items ?? [], narrowed);

  const flipped = byKey.get(params.get("flip") ?? "");
  const told = byKey.get(params.get("history") ?? "");

  function filter(typed: string) {
    setText(typed);
    set({ q: typed.trim() });
  }

  return (
    <>
      <PageHeader
        title="Switches"
        status={
          now ? (
            <Badge tone={turnedOff.length > 0 ? "danger" : "clear"}>
              {turnedOff.length > 0 ? `${turnedOff.length} off` : "all on"}
            </Badge>
          ) : null
        }
      >
        <FilterField
          label="Filter by key, reason or person"
          value={text}
          onChange={(event) => filter(event.target.value)}
        />
        <Segmented
          label="Show"
          size="s"
          options={[
            { value: "all", label: "All" },
            { value: "off", label: "Off" },
            { value: "touched", label: "Ever turned" },
            { value: "flagged", label: "Flagged" },
          ]}
          value={narrowed.show}
          onChange={(show) => set({ show })}
        />
      </PageHeader>
      <div className={styles.tools}>
        <Segmented
          label="Kind"
          size="s"
          options={[
            { value: "all", label: "Every kind" },
            { value: "procedure", label: "Calls" },
            { value: "work", label: "Work" },
            { value: "optional", label: "Optional" },
            { value: "dependency", label: "Parts" },
            { value: "tag", label: "Tags" },
            { value: "own", label: "Yours" },
          ]}
          value={narrowed.kind}
          onChange={(kind) => set({ kind })}
        />
        <select
          className={styles.tag}
          aria-label="Tag"
          value={narrowed.tag ?? ""}
          onChange={(event) => set({ tag: event.target.value })}
        >
          <option value="">Any tag</option>
          {tags.map((tag) => (
            <option key={tag} value={tag}>
              {tag}
            </option>
          ))}
        </select>
        <span className={styles.rest}>
          <Then.Button at={at} onChange={(instant) => set({ at: instant })} />
          {mayTurn ? (
            <Button size="s" onClick={() => set({ make: "new" })}>
              New switch
            </Button>
          ) : null}
        </span>
      </div>
      <QueryFault what="Switches" query={at === undefined ? query : past} />
      {at === undefined ? (
        <>
          <Waiting />
          {narrowed.show === "all" && narrowed.kind === "all" && !text && !narrowed.tag ? <Plans /> : null}
        </>
      ) : (
        <Then.Bar at={at} onChange={(instant) => set({ at: instant })}>
          {items && now ? differenceWords(items, byKey) : null}
        </Then.Bar>
      )}
      {groups.map(({ module, items: rows }) => (
        <section key={module} className={styles.group} aria-label={module === "*" ? "Everything" : module}>
          {rows[0]?.key === module ? null : (
            <h2 className={styles.heading}>
              {module === tagModule ? "Tags" : <code>{module}</code>}
              {module === tagModule ? (
                <span className={styles.below}>one switch for all that is alike, wherever it stands</span>
              ) : rows.some(({ kind }) => kind === "own") ? (
                <span className={styles.below}>an application of yours</span>
              ) : null}
            </h2>
          )}
          <ul>
            {rows.map((item) => (
              <SwitchRow
                key={item.key}
                item={item}
                now={at === undefined ? undefined : byKey.get(item.key)}
                isPast={at !== undefined}
                rps={golden && at === undefined ? touchedBy(item, now ?? [], golden).rps : undefined}
                isFlagged={narrowed.show === "flagged"}
                mayTurn={mayTurn !== false}
                onFlip={() => set({ flip: item.key, history: null })}
                onHistory={() => set({ history: item.key, flip: null })}
              />
            ))}
          </ul>
        </section>
      ))}
      {items && groups.length === 0 ? (
        <Panel title="Nothing to show" flush>
          <EmptyState
            title={emptyWords(narrowed)}
            action={
              <Button
                onClick={() => {
                  setText("");
                  set({ q: null, show: null, kind: null, tag: null });
                }}
              >
                Show all switches
              </Button>
            }
          />
        </Panel>
      ) : null}
      {!items && error && isAway(error) ? (
        <Panel title="No switch can be read or turned from here now" flush>
          <EmptyState title="What is off stays off, what is on stays on">
            Every process goes on with the settings that it holds. On a machine of the install{" "}
            <code>./signalbox switch off KEY</code> works all the same.
          </EmptyState>
        </Panel>
      ) : null}
      {!items && !error ? <p className={styles.reading}>Reading switches…</p> : null}
      {flipped ? <FlipDialog key={flipped.key} item={flipped} onClose={() => set({ flip: null })} /> : null}
      {told ? (
        <SwitchPanel
          key={told.key}
          item={told}
          onFlip={() => set({ flip: told.key, history: null })}
          onClose={() => set({ history: null })}
        />
      ) : null}
      {params.get("make") === "new" ? <NewDialog onClose={() => set({ make: null })} /> : null}
    </>
  );
}

function emptyWords({ text, show, kind, tag }: Narrowed): string {
  if (text.trim()) return `No switch matches “${text.trim()}”`;
  if (kind !== "all" || tag !== undefined) return "No switch fits";
  if (show === "off") return "Everything is on";
  return show === "flagged" ? "No switch is stale, undrilled or in conflict" : "No switch was ever turned";
}

function differenceWords(then: SwitchItem[], now: Map<string, SwitchItem>): string {
  const off = then.filter(({ state }) => state === "off").length;
  const differ = then.filter((item) => isOtherwise(item, now.get(item.key))).length;
  return `${off === 0 ? "Everything was on" : `${off} off`}; ${differ === 0 ? "as it is now" : `${differ} otherwise now`}.`;
}

const isOtherwise = (then: SwitchItem, now: SwitchItem | undefined) =>
  now !== undefined &&
  (then.effective.state !== now.effective.state || then.effective.share !== now.effective.share);
