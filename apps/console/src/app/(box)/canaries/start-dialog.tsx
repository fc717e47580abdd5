// Starting a canary: what is to change, by which ladder, and whom that touches, said before anything happens.

"use client";

import type { Estimate, StartCanary } from "@signalbox/modules/canaries/schema";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { CheckField, ChoiceField, FieldGroup, TextField } from "@signalbox/ui/field";
import { More } from "@signalbox/ui/more";
import { Note } from "@signalbox/ui/note";
import { Segmented } from "@signalbox/ui/segmented";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { faultOf } from "@/errors.ts";
import { compact, count, duration, percent, sentenceCase } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { KeyField, useKeyFault } from "../key-field.tsx";
import styles from "./canaries.module.css";
import { weightWords } from "./canary-words.ts";
import { draftSteps, type StepDraft, stepFault, stepsOf } from "./ladder.ts";
import { LadderFields, type LadderName } from "./ladder-fields.tsx";

type Kind = StartCanary["target"]["kind"];
type Triggers = Pick<NonNullable<StartCanary["triggers"]>, "onRegression" | "onMissing"> & {
  minRequests: string;
};

/** One does not ask at each letter. */
const typingMs = 400;
/** What a canary of a code path can be of. */
const pathKinds = ["procedure", "prefix", "job"] as const;
const usual: Triggers = { minRequests: "200", onRegression: "rollback", onMissing: "rollback" };

export function StartDialog({ onClose }: { onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const start = useMutation(
    trpc.canaries.create.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.canaries.pathKey() }),
    }),
  );
  const preview = useMutation(trpc.canaries.preview.mutationOptions());
  const { data: templates } = useQuery(
    trpc.canaries.templates.queryOptions(undefined, { staleTime: Number.POSITIVE_INFINITY }),
  );
  const [kind, setKind] = useState<Kind>("switch");
  const [key, setKey] = useState("");
  const [version, setVersion] = useState("");
  const [ladder, setLadder] = useState<LadderName>("usual");
  const [own, setOwn] = useState<StepDraft[]>([]);
  const [triggers, setTriggers] = useState(usual);
  const [redraw, setRedraw] = useState(false);

  const stepsOfTemplate = (name: LadderName) =>
    draftSteps(templates?.items.find((one) => one.name === name)?.steps ?? []);
  const steps = ladder === "own" ? own : stepsOfTemplate(ladder);

  const name = key.trim();
  const unknownKey = useKeyFault(name, pathKinds);
  const keyFault =
    name === ""
      ? kind === "switch"
        ? "Say which call, job or prefix of names."
        : "Say which service."
      : kind === "switch"
        ? unknownKey
        : undefined;
  const versionFault = kind === "switch" || version.trim() !== "" ? undefined : "Say which version.";
  const { minRequests } = triggers;
  const requestsFault =
    Number.isInteger(Number(minRequests)) && Number(minRequests) >= 20
      ? undefined
      : "A whole number from 20.";
  const valid =
    !keyFault && !versionFault && !requestsFault && (ladder !== "own" || own.every((it) => !stepFault(it)));
  const target: StartCanary["target"] =
    kind === "switch" ? { kind, key: name } : { kind, service: name, version: version.trim() };
  const climb = {
    target,
    ...(ladder === "own" ? { steps: stepsOf(own) } : { template: ladder }),
    ...(isUsual(triggers) ? {} : { triggers: { ...triggers, minRequests: Number(minRequests) } }),
  };
  const wanted = JSON.stringify(climb);

  const { mutate: ask } = preview;
  useEffect(() => {
    if (!valid) return;
    const timer = setTimeout(() => ask(JSON.parse(wanted)), typingMs);
    return () => clearTimeout(timer);
  }, [ask, valid, wanted]);
  const told = valid && JSON.stringify(preview.variables) === wanted ? preview : undefined;

  return (
    <ChangeDialog
      title="Start a canary"
      subtitle="It climbs while its callers fare as well as all others, and turns back where not"
      done={
        <>
          The canary of <code>{start.data?.name}</code> is under way
        </>
      }
      onClose={onClose}
      change={start}
      onSubmit={(said) => start.mutate({ ...climb, redraw, ...said })}
      failed="The canary was not started"
      needs="operator"
      submit={start.isPending ? "Waiting for confirmations" : "Start the canary"}
      valid={valid}
      fields={({ tried, serverFault }) => (
        <>
          <ChoiceField
            label="What changes"
            options={[
              { value: "switch", label: "A code path" },
              { value: "release", label: "A release" },
              { value: "worker", label: "Workers" },
            ]}
            value={kind}
            onChange={setKind}
          />
          <div className={kind === "switch" ? undefined : styles.pair}>
            {kind === "switch" ? (
              <KeyField
                label="Call, job or prefix"
                kinds={pathKinds}
                value={key}
                onChange={setKey}
                fault={tried ? (serverFault("target") ?? keyFault) : undefined}
              />
            ) : (
              <TextField
                data-autofocus=""
                label="Service"
                value={key}
                onChange={(event) => setKey(event.target.value)}
                fault={tried ? (serverFault("target") ?? keyFault) : undefined}
                autoComplete="off"
                spellCheck={false}
              />
            )}
            {kind === "switch" ? null : (
              <TextField
                label="Version on the canary track"
                value={version}
                onChange={(event) => setVersion(event.target.value)}
                fault={tried ? versionFault : undefined}
                autoComplete="off"
                spellCheck={false}
              />
            )}
          </div>
          <LadderFields
            name={ladder}
            onName={(chosen) => {
              // One's own begins as the one that was in sight.
              if (chosen === "own") setOwn(stepsOfTemplate(ladder));
              setLadder(chosen);
            }}
            steps={steps}
            onSteps={setOwn}
            tried={tried}
            serverFault={(field) => serverFault(field) ?? brokenAt(told?.data, field)}
          />
          {valid ? (
            <Note label="Whom it touches">
              {told?.data ? (
                <Preview told={told.data} />
              ) : told?.error ? (
                `What it touches can not be said: ${faultOf(told.error).detail ?? "no answer"}`
              ) : (
                "Reading whom it touches"
              )}
            </Note>
          ) : null}
        </>
      )}
    >
      {({ tried }) => (
        <More label="More" aside={isUsual(triggers) && !redraw ? "what the judge goes by" : "not as usual"}>
          <TextField
            label="Requests of each side that a step needs"
            inputMode="numeric"
            value={minRequests}
            onChange={(event) => setTriggers({ ...triggers, minRequests: event.target.value })}
            fault={tried ? requestsFault : undefined}
            hint="Fewer are quicker, and see only what is much worse."
          />
          <FieldGroup
            label="Where it is worse"
            hint={
              triggers.onRegression === "freeze"
                ? "For a change that must not be taken back by itself: it stays where it is, and waits for you."
                : "It goes to nobody, at once."
            }
          >
            <Segmented
              label="Where it is worse"
              options={[
                { value: "rollback", label: "Turn back" },
                { value: "freeze", label: "Freeze" },
              ]}
              value={triggers.onRegression}
              onChange={(onRegression) => setTriggers({ ...triggers, onRegression })}
            />
          </FieldGroup>
          <FieldGroup label="Where nothing is seen for five minutes">
            <Segmented
              label="Where nothing is seen"
              options={[
                { value: "rollback", label: "Turn back" },
                { value: "pause", label: "Pause" },
              ]}
              value={triggers.onMissing}
              onChange={(onMissing) => setTriggers({ ...triggers, onMissing })}
            />
          </FieldGroup>
          <CheckField
            label="Meet other callers than the last canary of the same thing did"
            checked={redraw}
            onChange={(event) => setRedraw(event.target.checked)}
          />
        </More>
      )}
    </ChangeDialog>
  );
}

const isUsual = (given: Triggers) => JSON.stringify(given) === JSON.stringify(usual);

/** What the preview says of a step is said beside that step. */
const brokenAt = (told: Estimate | undefined, field: string) =>
  told?.broken.find((broken) => broken.field === field)?.message;

function Preview({ told }: { told: Estimate }) {
  return (
    <>
      {told.broken.length > 0 ? (
        <ErrorNotice title="It can not start now">
          {told.broken.map(({ message }) => message).join("; ")}.
        </ErrorNotice>
      ) : null}
      <p>
        {told.routes.length === 1 ? "One route" : `${count(told.routes.length)} routes`},{" "}
        {told.requestsPerSecond === null
          ? "traffic not known"
          : `${compact(told.requestsPerSecond)} requests per second now`}
        , {count(told.users)} {told.users === 1 ? "account" : "accounts"}.{" "}
        {told.minutes === null
          ? "At this traffic it does not reach its end."
          : `At this traffic it takes ${duration(told.minutes * 60_000)} at least.`}
      </p>
      <table className={styles.estimate}>
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">Accounts</th>
            <th scope="col">Requests</th>
            <th scope="col">Takes</th>
            <th scope="col">Reveals errors</th>
          </tr>
        </thead>
        <tbody>
          {told.steps.map((step) => (
            <tr key={step.weight}>
              <th scope="row">{weightWords(step.weight)}</th>
              <td>{count(step.users)}</td>
              <td>{compact(step.requestsPerSecond)}/s</td>
              <td>{takes(step.minutesNeeded)}</td>
              <td>{step.weight < 100 ? `from ${percent(step.seesErrors)}` : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {told.warnings.map((warning) => (
        <p key={warning}>{sentenceCase(warning)}.</p>
      ))}
    </>
  );
}

const takes = (minutes: number | null) =>
  minutes === null ? "no end" : minutes === 0 ? "–" : duration(minutes * 60_000);
