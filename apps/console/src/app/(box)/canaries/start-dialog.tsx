// Starting a canary: what is to change, by which ladder, and whom that touches, said before anything happens.

"use client";

import type { Estimate, StartCanary } from "@signalbox/modules/canaries/schema";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { FieldGroup, TextField } from "@signalbox/ui/field";
import { Segmented } from "@signalbox/ui/segmented";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useId, useState } from "react";
import { faultOf } from "@/errors.ts";
import { compact, count, duration, percent, sentenceCase } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { useSwitches } from "../use-switches.ts";
import styles from "./canaries.module.css";
import { weightWords } from "./canary-words.ts";

type Kind = StartCanary["target"]["kind"];
type Template = NonNullable<StartCanary["template"]>;

/** One does not ask at each letter. */
const typingMs = 400;

export function StartDialog({ onClose }: { onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const start = useMutation(
    trpc.canaries.create.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.canaries.pathKey() }),
    }),
  );
  const preview = useMutation(trpc.canaries.preview.mutationOptions());
  const { items: switches } = useSwitches();
  const keysId = useId();
  const [kind, setKind] = useState<Kind>("switch");
  const [key, setKey] = useState("");
  const [version, setVersion] = useState("");
  const [template, setTemplate] = useState<Template>("usual");

  const name = key.trim();
  const known = kind !== "switch" || switches?.some((it) => it.key === name && it.key !== "*");
  const keyFault =
    name === ""
      ? kind === "switch"
        ? "Say which call, job or prefix of names."
        : "Say which service."
      : known
        ? undefined
        : "The name of a call or a job, or a prefix of names: feed.post.create, feed.post, feed.";
  const versionFault = kind === "switch" || version.trim() !== "" ? undefined : "Say which version.";
  const valid = !keyFault && !versionFault;
  const target: StartCanary["target"] =
    kind === "switch" ? { kind, key: name } : { kind, service: name, version: version.trim() };
  const wanted = JSON.stringify({ target, template });

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
      onSubmit={(said) => start.mutate({ target, template, ...said })}
      failed="The canary was not started"
      needs="operator"
      submit={start.isPending ? "Waiting for confirmations" : "Start the canary"}
      valid={valid}
      fields={({ tried, serverFault }) => (
        <>
          <FieldGroup label="What changes">
            <Segmented
              label="What changes"
              options={[
                { value: "switch", label: "A code path" },
                { value: "release", label: "A release" },
                { value: "worker", label: "Workers" },
              ]}
              value={kind}
              onChange={setKind}
            />
          </FieldGroup>
          <div className={kind === "switch" ? undefined : styles.pair}>
            <TextField
              data-autofocus=""
              label={kind === "switch" ? "Call, job or prefix" : "Service"}
              list={kind === "switch" ? keysId : undefined}
              value={key}
              onChange={(event) => setKey(event.target.value)}
              fault={tried ? (serverFault("target") ?? keyFault) : undefined}
              autoComplete="off"
              spellCheck={false}
            />
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
          <datalist id={keysId}>
            {switches
              ?.filter((it) => ["procedure", "prefix", "job"].includes(it.kind))
              .map((it) => (
                <option key={it.key} value={it.key} />
              ))}
          </datalist>
          <FieldGroup label="Ladder">
            <Segmented
              label="Ladder"
              options={[
                { value: "quick", label: "Quick" },
                { value: "usual", label: "Usual" },
                { value: "careful", label: "Careful" },
              ]}
              value={template}
              onChange={setTemplate}
            />
          </FieldGroup>
          {valid ? (
            <div className={styles.preview} role="status">
              {told?.data ? (
                <Preview told={told.data} />
              ) : told?.error ? (
                `What it touches can not be said: ${faultOf(told.error).detail ?? "no answer"}`
              ) : (
                "Reading whom it touches"
              )}
            </div>
          ) : null}
        </>
      )}
    />
  );
}

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
