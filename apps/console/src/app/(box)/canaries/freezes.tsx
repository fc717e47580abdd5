// When no canary begins or takes a step. Turning back is always possible.

"use client";

import type { FreezeItem } from "@signalbox/modules/canaries/schema";
import { Button } from "@signalbox/ui/button";
import { CheckField, ChoiceField, FieldGroup, SelectField, TextField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { wallTime } from "@/format.ts";
import { timeZoneHere, timeZones } from "@/time-zones.ts";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { QueryView } from "../query-view.tsx";
import { useMay } from "../use-may.ts";
import styles from "./canaries.module.css";

export function Freezes() {
  const trpc = useTRPC();
  const query = useQuery(trpc.freezes.list.queryOptions({}, { refetchInterval: 15_000 }));
  const may = useMay("operator");
  const [open, setOpen] = useState<"new" | FreezeItem | null>(null);
  return (
    <QueryView query={query} what="Freezes">
      {({ items }) => (
        <Panel
          title="Freezes"
          aside={
            <>
              {items.length === 0 ? "Canaries begin and climb at any time" : null}
              <Button size="s" onClick={() => setOpen("new")} disabled={may === false}>
                Add a freeze
              </Button>
            </>
          }
          flush
        >
          {items.length > 0 ? (
            <Rows label="Freezes" columns="minmax(8rem, 2fr) 9rem minmax(12rem, 4fr) minmax(8rem, 3fr) auto">
              {items.map((item) => (
                <Row key={item.key} tone={item.holds ? "caution" : undefined}>
                  <RowText lead>{item.key}</RowText>
                  <RowText>
                    <SignalLamp aspect={item.holds ? "caution" : "dark"}>
                      {item.holds ? "Holds now" : "Not now"}
                    </SignalLamp>
                  </RowText>
                  <RowText wide wraps>
                    {whenWords(item)}
                  </RowText>
                  <RowText faint wide wraps>
                    {item.reason}, {item.changedBy?.name}
                  </RowText>
                  <RowEnd>
                    <Button
                      size="s"
                      tone="quiet"
                      onClick={() => setOpen(item)}
                      disabled={may === false}
                      aria-label={`Take away the freeze ${item.key}`}
                    >
                      Take away
                    </Button>
                  </RowEnd>
                </Row>
              ))}
            </Rows>
          ) : null}
          {open === "new" ? <AddDialog onClose={() => setOpen(null)} /> : null}
          {open && open !== "new" ? <RemoveDialog item={open} onClose={() => setOpen(null)} /> : null}
        </Panel>
      )}
    </QueryView>
  );
}

const dayNames = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const instant = (at: string) =>
  new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

function whenWords({ from, until, weekly }: Pick<FreezeItem, "from" | "until" | "weekly">): string {
  const span = from
    ? `from ${instant(from)}${until ? ` to ${instant(until)}` : ""}`
    : until
      ? `until ${instant(until)}`
      : "";
  if (!weekly) return span;
  const days = weekly.days.map((day) => dayNames[day - 1]).join(", ");
  const hours = `${days}, ${weekly.from} to ${weekly.until}${weekly.until <= weekly.from ? " of the next day" : ""}`;
  return `${hours} in ${weekly.timeZone.replaceAll("_", " ")}${span ? `, ${span}` : ""}`;
}

function AddDialog({ onClose }: { onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const add = useMutation(
    trpc.freezes.set.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.freezes.pathKey() }),
    }),
  );
  const [key, setKey] = useState("");
  const [kind, setKind] = useState<"span" | "weekly">("weekly");
  const [span, setSpan] = useState(() => ({
    from: wallTime(Date.now()),
    until: wallTime(Date.now() + 86_400_000),
  }));
  const [days, setDays] = useState<number[]>([6, 7]);
  const [hours, setHours] = useState({ from: "00:00", until: "23:59" });
  const [timeZone, setTimeZone] = useState(timeZoneHere);
  const keyFault = /^[a-zA-Z][\w-]*$/.test(key.trim()) ? undefined : "A name such as weekend.";
  const daysFault = kind === "weekly" && days.length === 0 ? "On one day at least." : undefined;
  const spanFault =
    kind === "span" && !(Date.parse(span.until) > Date.parse(span.from)) ? "After its beginning." : undefined;
  return (
    <ChangeDialog
      title="Add a freeze"
      subtitle="No canary begins or takes a step while it holds. The judge still turns back."
      done="The freeze is set"
      onClose={onClose}
      change={add}
      onSubmit={(said) =>
        add.mutate({
          key: key.trim(),
          ...(kind === "weekly"
            ? { weekly: { days: days.toSorted((a, b) => a - b), ...hours, timeZone } }
            : { from: new Date(span.from).toISOString(), until: new Date(span.until).toISOString() }),
          ...said,
        })
      }
      failed="The freeze was not set"
      needs="operator"
      submit={add.isPending ? "Waiting for confirmations" : "Add the freeze"}
      valid={!keyFault && !daysFault && !spanFault}
      fields={({ tried, serverFault }) => (
        <>
          <TextField
            data-autofocus=""
            label="Name"
            value={key}
            onChange={(event) => setKey(event.target.value)}
            placeholder="weekend"
            fault={tried ? (serverFault("key") ?? keyFault) : undefined}
            autoComplete="off"
            spellCheck={false}
          />
          <ChoiceField
            label="When"
            options={[
              { value: "weekly", label: "Each week" },
              { value: "span", label: "Once" },
            ]}
            value={kind}
            onChange={setKind}
          />
          {kind === "weekly" ? (
            <>
              <FieldGroup label="On" hint={tried ? daysFault : undefined}>
                <div className={styles.days}>
                  {dayNames.map((name, at) => (
                    <CheckField
                      key={name}
                      label={name}
                      checked={days.includes(at + 1)}
                      onChange={(event) =>
                        setDays(
                          event.target.checked ? [...days, at + 1] : days.filter((day) => day !== at + 1),
                        )
                      }
                    />
                  ))}
                </div>
              </FieldGroup>
              <div className={styles.three}>
                <TextField
                  label="From"
                  type="time"
                  value={hours.from}
                  onChange={(event) => setHours({ ...hours, from: event.target.value })}
                  fault={serverFault("weekly.from")}
                />
                <TextField
                  label="To"
                  type="time"
                  value={hours.until}
                  onChange={(event) => setHours({ ...hours, until: event.target.value })}
                  fault={serverFault("weekly.until")}
                  hint="Earlier: on the next day."
                />
                <SelectField
                  label="By the clocks of"
                  value={timeZone}
                  onChange={(event) => setTimeZone(event.target.value)}
                  fault={serverFault("weekly.timeZone")}
                >
                  {timeZones(timeZone).map((zone) => (
                    <option key={zone} value={zone}>
                      {zone.replaceAll("_", " ")}
                    </option>
                  ))}
                </SelectField>
              </div>
            </>
          ) : (
            <div className={styles.pair}>
              <TextField
                label="From"
                type="datetime-local"
                value={span.from}
                onChange={(event) => setSpan({ ...span, from: event.target.value })}
              />
              <TextField
                label="Until"
                type="datetime-local"
                value={span.until}
                onChange={(event) => setSpan({ ...span, until: event.target.value })}
                fault={tried ? spanFault : undefined}
              />
            </div>
          )}
        </>
      )}
    />
  );
}

function RemoveDialog({ item, onClose }: { item: FreezeItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const remove = useMutation(
    trpc.freezes.reset.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.freezes.pathKey() }),
    }),
  );
  return (
    <ChangeDialog
      title={`Take away the freeze ${item.key}`}
      subtitle={whenWords(item)}
      done="The freeze is taken away"
      onClose={onClose}
      change={remove}
      onSubmit={(said) => remove.mutate({ key: item.key, ...said })}
      failed="The freeze still holds"
      needs="operator"
      submit={remove.isPending ? "Waiting for confirmations" : "Take it away"}
    />
  );
}
