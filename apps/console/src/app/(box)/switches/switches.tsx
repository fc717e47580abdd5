// The levers. What is open is in the address: `flip` a dialog, `history` a panel.

"use client";

import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { FilterField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { Segmented } from "@signalbox/ui/segmented";
import { useState } from "react";
import { isAway } from "@/errors.ts";
import { readChoice } from "@/url-state.ts";
import { useUrl } from "@/use-url.ts";
import { HistoryPanel } from "../history-panel.tsx";
import { PageHeader } from "../page-header.tsx";
import { QueryFault } from "../query-view.tsx";
import { useGoldenPoll } from "../use-golden.ts";
import { useMay } from "../use-may.ts";
import { useSwitches } from "../use-switches.ts";
import { shows } from "./choices.ts";
import { FlipDialog } from "./flip-dialog.tsx";
import { groupSwitches, touchedBy } from "./switch-groups.ts";
import { SwitchRow } from "./switch-row.tsx";
import styles from "./switches.module.css";

const defaults = { show: shows.values[0] };

export function Switches() {
  const { params, set } = useUrl(defaults);
  const { items, byKey, turnedOff, ...query } = useSwitches();
  const mayTurn = useMay("operator");
  const { error } = query;
  const { data: golden } = useGoldenPoll("30s", "endpoint");
  const [typed, setTyped] = useState(params.get("q") ?? "");
  const show = readChoice(shows, params);
  const groups = groupSwitches(items ?? [], typed, show);

  const flipped = byKey.get(params.get("flip") ?? "");
  const told = byKey.get(params.get("history") ?? "");

  function filter(text: string) {
    setTyped(text);
    set({ q: text.trim() });
  }

  return (
    <>
      <PageHeader
        title="Switches"
        status={
          items ? (
            <Badge tone={turnedOff.length > 0 ? "danger" : "clear"}>
              {turnedOff.length > 0 ? `${turnedOff.length} off` : "all on"}
            </Badge>
          ) : null
        }
      >
        <FilterField
          label="Filter by key, reason or person"
          value={typed}
          onChange={(event) => filter(event.target.value)}
        />
        <Segmented
          label="Show"
          size="s"
          options={[
            { value: "all", label: "All" },
            { value: "off", label: "Off" },
            { value: "touched", label: "Ever turned" },
          ]}
          value={show}
          onChange={(value) => set({ show: value })}
        />
      </PageHeader>
      <QueryFault what="Switches" query={query} />
      {groups.map(({ module, items: rows }) => (
        <section key={module} className={styles.group} aria-label={module === "*" ? "Everything" : module}>
          <ul>
            {rows.map((item) => (
              <SwitchRow
                key={item.key}
                item={item}
                rps={golden ? touchedBy(item.key, golden).rps : undefined}
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
            title={
              typed.trim()
                ? `No switch matches “${typed.trim()}”`
                : show === "off"
                  ? "Everything is on"
                  : "No switch was ever turned"
            }
            action={
              <Button
                onClick={() => {
                  setTyped("");
                  set({ q: null, show: null });
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
            Every process goes on with the settings that it holds.
          </EmptyState>
        </Panel>
      ) : null}
      {!items && !error ? <p className={styles.reading}>Reading switches…</p> : null}
      {flipped ? <FlipDialog key={flipped.key} item={flipped} onClose={() => set({ flip: null })} /> : null}
      {told ? (
        <HistoryPanel
          key={told.key}
          name={told.key}
          never="This switch was never turned"
          onClose={() => set({ history: null })}
        />
      ) : null}
    </>
  );
}
