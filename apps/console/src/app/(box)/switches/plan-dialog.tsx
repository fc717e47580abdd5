// A change of a switch at a time on a clock somewhere, once or again and again.

"use client";

import type { ScheduleItem, SwitchItem } from "@signalbox/modules/control/schema";
import { CheckField, ChoiceField, SelectField, TextArea, TextField } from "@signalbox/ui/field";
import { More } from "@signalbox/ui/more";
import { useToast } from "@signalbox/ui/toasts";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { wallTime } from "@/format.ts";
import { timeZoneHere, timeZones } from "@/time-zones.ts";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { beyondPlain, type Draft, draftOf, isValid, positionOf } from "./draft.ts";
import styles from "./flip-dialog.module.css";
import { ScopeFields } from "./scope-fields.tsx";

export function PlanDialog({ item, onClose }: { item: SwitchItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const toast = useToast();
  const plan = useMutation(
    trpc.schedules.make.mutationOptions({
      onSuccess({ nextAt }) {
        toast(
          "clear",
          `Planned: ${item.key} turns ${draft.state} ${new Date(nextAt).toLocaleString("en-GB")}`,
        );
        onClose();
        return queryClient.invalidateQueries({ queryKey: trpc.schedules.pathKey() });
      },
    }),
  );
  const [draft, setDraft] = useState(() => draftOf(item, "off"));
  const [at, setAt] = useState(() => wallTime(Date.now() + 3_600_000));
  const [timeZone, setTimeZone] = useState(timeZoneHere);
  const [repeat, setRepeat] = useState<ScheduleItem["repeat"]>("once");
  const [minutes, setMinutes] = useState("60");
  const [late, setLate] = useState(false);
  const change = (to: Partial<Draft>) => setDraft((now) => ({ ...now, ...to }));

  const forMinutes = minutes.trim() === "" ? null : Number(minutes);
  const minutesFault =
    forMinutes === null || (Number.isInteger(forMinutes) && forMinutes >= 1 && forMinutes <= 525_600)
      ? undefined
      : "A whole number of minutes, or nothing.";
  const beyond = beyondPlain(draft);

  return (
    <ChangeDialog
      title={
        <>
          Plan for <code>{item.key}</code>
        </>
      }
      subtitle="Each run happens once. Whoever turns the switch in between is not overruled."
      onClose={onClose}
      change={plan}
      onSubmit={(said) =>
        plan.mutate({
          ...{ key: item.key, change: positionOf(draft), at, timeZone, repeat, forMinutes, ...said },
          missed: late ? "late" : "skip",
        })
      }
      failed="It was not planned"
      needs="operator"
      submit={`Plan to turn ${draft.state}`}
      valid={isValid(draft) && !minutesFault && at !== ""}
      fields={({ tried, serverFault }) => (
        <>
          <div className={styles.choices}>
            <ChoiceField
              label="Turn"
              options={[
                { value: "on", label: "On", tone: "clear" },
                { value: "off", label: "Off", tone: "danger" },
              ]}
              value={draft.state}
              onChange={(state) => change({ state })}
            />
            <ChoiceField
              label="How often"
              options={[
                { value: "once", label: "Once" },
                { value: "daily", label: "Daily" },
                { value: "weekly", label: "Weekly" },
              ]}
              value={repeat}
              onChange={setRepeat}
            />
          </div>
          <div className={styles.columns}>
            <TextField
              label={repeat === "once" ? "At" : "First at"}
              type="datetime-local"
              value={at}
              onChange={(event) => setAt(event.target.value)}
              fault={tried ? (serverFault("at") ?? (at === "" ? "Say when." : undefined)) : undefined}
            />
            <SelectField
              label="By the clocks of"
              value={timeZone}
              onChange={(event) => setTimeZone(event.target.value)}
              fault={serverFault("timeZone")}
            >
              {timeZones(timeZone).map((zone) => (
                <option key={zone} value={zone}>
                  {zone.replaceAll("_", " ")}
                </option>
              ))}
            </SelectField>
            <TextField
              label="For minutes"
              optional
              inputMode="numeric"
              value={minutes}
              onChange={(event) => setMinutes(event.target.value)}
              fault={tried ? minutesFault : undefined}
              hint="Empty: until somebody turns it."
            />
          </div>
        </>
      )}
    >
      {({ serverFault, tried }) => (
        <>
          {draft.state === "off" ? (
            <TextArea
              label="Message to callers"
              optional
              value={draft.message}
              onChange={(event) => change({ message: event.target.value })}
              maxLength={500}
              fault={serverFault("message")}
            />
          ) : null}
          <More label="More" aside={draft.state === "off" ? beyond : undefined}>
            {draft.state === "off" ? (
              <ScopeFields narrowedBy={item.narrowedBy} draft={draft} onChange={change} tried={tried} />
            ) : null}
            <CheckField
              label="Make up for a run that comes late"
              hint="Where nothing ran at its time, it runs as soon as something does. Else it is left out."
              checked={late}
              onChange={(event) => setLate(event.target.checked)}
            />
          </More>
        </>
      )}
    </ChangeDialog>
  );
}
