// Whom an "off" meets, and what they get instead of the answer.

"use client";

import type { SwitchItem } from "@signalbox/modules/control/schema";
import { Button } from "@signalbox/ui/button";
import { ChoiceField, FieldGroup, SelectField, TextField } from "@signalbox/ui/field";
import { Segmented } from "@signalbox/ui/segmented";
import { useId } from "react";
import { type Draft, newTarget, shareFault, targetFault } from "./draft.ts";
import styles from "./flip-dialog.module.css";
import { insteadWords, relationOptions } from "./switch-words.ts";

const attributes = ["region", "appVersion", "user", "role", "kind", "application"];

export function ScopeFields({
  narrowedBy,
  draft,
  onChange,
  tried,
}: {
  narrowedBy: SwitchItem["narrowedBy"];
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
  tried: boolean;
}) {
  const fault = shareFault(draft);
  if (narrowedBy.length === 0) return <p className={styles.hint}>It is off for everyone or for nobody.</p>;
  return (
    <>
      <FieldGroup label="For how many callers">
        <div className={styles.share}>
          <Segmented
            label="Share of callers"
            options={["1", "10", "50", "100"].map((value) => ({
              value,
              label: value === "100" ? "Everyone" : `${value}%`,
            }))}
            value={draft.share}
            onChange={(share) => onChange({ share })}
          />
          <label className={styles.percent}>
            <span className="visually-hidden">Percent of callers</span>
            <input
              inputMode="decimal"
              value={draft.share}
              onChange={(event) => onChange({ share: event.target.value })}
              aria-invalid={fault ? true : undefined}
            />
            %
          </label>
        </div>
        <p className={fault ? styles.fault : styles.hint}>
          {fault ?? "In steps of 0.001. The same callers each time; raising it lets nobody out."}
        </p>
      </FieldGroup>
      {narrowedBy.includes("targets") ? <Targets draft={draft} onChange={onChange} tried={tried} /> : null}
      <ChoiceField
        label="What they get"
        hint={insteadWords[draft.instead].means}
        options={(["refuse", "stale", "degrade"] as const)
          .filter((value) => value === "refuse" || narrowedBy.includes(value))
          .map((value) => ({ value, label: insteadWords[value].label }))}
        value={draft.instead}
        onChange={(instead) => onChange({ instead })}
      />
    </>
  );
}

function Targets({
  draft: { targets },
  onChange,
  tried,
}: {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
  tried: boolean;
}) {
  const listId = useId();
  const set = (id: number, change: Partial<Draft["targets"][number]>) =>
    onChange({ targets: targets.map((one) => (one.id === id ? { ...one, ...change } : one)) });
  return (
    <FieldGroup
      label="Only callers with"
      hint={targets.length > 1 ? "All of these must be true." : undefined}
    >
      {targets.map((target) => (
        <div key={target.id} className={styles.target}>
          <TextField
            label="Attribute"
            list={listId}
            value={target.attribute}
            onChange={(event) => set(target.id, { attribute: event.target.value })}
            autoComplete="off"
            spellCheck={false}
          />
          <SelectField
            label="Relation"
            value={target.is}
            onChange={(event) => set(target.id, { is: event.target.value as typeof target.is })}
          >
            {relationOptions.map(([value, words]) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </SelectField>
          <TextField
            label="Values"
            value={target.values}
            onChange={(event) => set(target.id, { values: event.target.value })}
            placeholder={target.attribute === "appVersion" ? "2.10.0" : "eu, us"}
            fault={tried ? targetFault(target) : undefined}
            autoComplete="off"
            spellCheck={false}
          />
          <Button
            tone="quiet"
            aria-label={`Remove the condition on ${target.attribute}`}
            onClick={() => onChange({ targets: targets.filter(({ id }) => id !== target.id) })}
          >
            Remove
          </Button>
        </div>
      ))}
      <datalist id={listId}>
        {attributes.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <Button
        size="s"
        className={styles.add}
        onClick={() => onChange({ targets: [...targets, newTarget()] })}
        disabled={targets.length >= 20}
      >
        Add a condition
      </Button>
    </FieldGroup>
  );
}
