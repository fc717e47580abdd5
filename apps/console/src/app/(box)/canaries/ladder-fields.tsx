// By which steps a canary climbs: one of the platform's ladders, or one's own.

"use client";

import { Button } from "@signalbox/ui/button";
import { FieldGroup, TextField } from "@signalbox/ui/field";
import { Segmented } from "@signalbox/ui/segmented";
import { duration } from "@/format.ts";
import styles from "./canaries.module.css";
import { weightWords } from "./canary-words.ts";
import { nextStep, type StepDraft, stepFault, stepsOf } from "./ladder.ts";

export type LadderName = "quick" | "usual" | "careful" | "own";

const options = [
  { value: "quick", label: "Quick" },
  { value: "usual", label: "Usual" },
  { value: "careful", label: "Careful" },
  { value: "own", label: "Your own" },
] as const;

export function LadderFields({
  name,
  onName,
  steps,
  onSteps,
  tried,
  serverFault,
}: {
  name: LadderName;
  onName: (name: LadderName) => void;
  /** Of the ladder that is chosen. */
  steps: StepDraft[];
  onSteps: (steps: StepDraft[]) => void;
  tried: boolean;
  serverFault: (field: string) => string | undefined;
}) {
  return (
    <FieldGroup label="Ladder">
      <Segmented label="Ladder" options={options} value={name} onChange={onName} />
      {name === "own" ? (
        <ol className={styles.steps} aria-label="Steps">
          {steps.map((step, at) => (
            <li key={step.id}>
              <TextField
                label="Percent"
                inputMode="decimal"
                value={step.weight}
                onChange={(event) => onSteps(steps.with(at, { ...step, weight: event.target.value }))}
                fault={serverFault(`steps.${at}.weight`) ?? (tried ? stepFault(step) : undefined)}
              />
              <TextField
                label="For minutes"
                inputMode="decimal"
                value={step.minutes}
                onChange={(event) => onSteps(steps.with(at, { ...step, minutes: event.target.value }))}
              />
              <Button
                tone="quiet"
                aria-label={`Remove the step of ${step.weight}%`}
                disabled={steps.length === 1}
                onClick={() => onSteps(steps.toSpliced(at, 1))}
              >
                Remove
              </Button>
            </li>
          ))}
          <li>
            <Button
              size="s"
              disabled={steps.length >= 20 || steps.at(-1)?.weight === "100"}
              onClick={() => onSteps([...steps, nextStep(steps)])}
            >
              Add a step
            </Button>
          </li>
        </ol>
      ) : (
        <p className={styles.hint}>
          {stepsOf(steps)
            .map(({ weight, bakeSeconds }) =>
              bakeSeconds > 0
                ? `${weightWords(weight)} for ${duration(bakeSeconds * 1_000)}`
                : weightWords(weight),
            )
            .join(", ")}
        </p>
      )}
    </FieldGroup>
  );
}
