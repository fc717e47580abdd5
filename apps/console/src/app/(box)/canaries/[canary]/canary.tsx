// One canary: how far up its ladder it is, how both sides fare, why the judge says what it says, and what was done about it.

"use client";

import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { classNames } from "@signalbox/ui/class-names";
import { EmptyState } from "@signalbox/ui/empty-state";
import { Panel } from "@signalbox/ui/panel";
import { Lamp, SignalLamp } from "@signalbox/ui/signal-lamp";
import { Cell, HeadRow, Table } from "@signalbox/ui/table";
import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { faultOf } from "@/errors.ts";
import { compact, count, duration, milliseconds, percent, sentenceCase } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { CopyButton } from "../../copy-button.tsx";
import { PageHeader } from "../../page-header.tsx";
import { QueryView, useSteadyError } from "../../query-view.tsx";
import { NextStep } from "../canaries.tsx";
import {
  isRunning,
  signalName,
  stateWords,
  targetKinds,
  verdictWords,
  weightWords,
} from "../canary-words.ts";
import { type Story, tellStory } from "../story.ts";
import { type Act, ActDialog } from "./act-dialog.tsx";
import styles from "./canary.module.css";
import { Course } from "./course.tsx";
import { Evidence } from "./evidence.tsx";

type Standing = NonNullable<Story["standing"]>;

export function CanaryView({ id }: { id: string }) {
  const trpc = useTRPC();
  const query = useQuery(trpc.canaries.read.queryOptions({ id }, { refetchInterval: 3_000 }));
  const [act, setAct] = useState<Act | null>(null);
  const item = query.data;

  if (faultOf(useSteadyError(query)).code === "not_found")
    return (
      <>
        <PageHeader title="No such canary" />
        <Panel label="No such canary" flush>
          <EmptyState
            title="There is no canary under this id"
            action={<Link href="/canaries">Canaries</Link>}
          />
        </Panel>
      </>
    );

  const state = item && stateWords[item.state];
  return (
    <>
      <PageHeader
        title={item ? `Canary of ${item.name}` : "Canary"}
        status={state ? <SignalLamp aspect={state.aspect}>{state.word}</SignalLamp> : null}
        about={
          item ? (
            <>
              {targetKinds[item.target.kind]} · {item.purpose}
              {item.state === "promoted" && item.restorableUntil ? (
                <>
                  {" "}
                  · can be taken back for all, latest <Moment at={item.restorableUntil} future />
                </>
              ) : null}{" "}
              · <Link href="/canaries">all canaries</Link>
            </>
          ) : null
        }
      >
        {item
          ? actsOf(item).map(([name, label, tone]) => (
              <Button key={name} tone={tone} onClick={() => setAct(name)}>
                {label}
              </Button>
            ))
          : null}
      </PageHeader>
      <QueryView query={query} what="This canary">
        {(story) => (
          <>
            <Ladder story={story} />
            <Course story={story} />
            <Judged story={story} />
            <Timeline story={story} />
            {isRunning(story) ? (
              <Panel title="Testers">
                <p className={styles.why}>
                  <span>
                    Whoever sends <code>{story.testers.header}</code> with this id meets the canary whatever
                    its weight; their calls are no evidence.
                  </span>
                  <span>
                    <code>{story.testers.canary}</code>{" "}
                    <CopyButton size="s" tone="quiet" text={story.testers.canary}>
                      Copy
                    </CopyButton>
                  </span>
                </p>
              </Panel>
            ) : null}
          </>
        )}
      </QueryView>
      {act && item ? <ActDialog key={act} act={act} item={item} onClose={() => setAct(null)} /> : null}
    </>
  );
}

type Offered = [Act, string, "plain" | "primary" | "danger"];

function actsOf({ state, restorableUntil, inForce }: Story): Offered[] {
  const close: Offered[] = inForce ? [["close", "Close", "plain"]] : [];
  if (state === "promoted")
    return [...close, ...(restorableUntil ? [["restore", "Restore", "danger"] satisfies Offered] : [])];
  if (state === "aborted") return close;
  return [
    ...(state === "ramping"
      ? ([
          ["extend", "Extend", "plain"],
          ["pause", "Pause", "plain"],
        ] satisfies Offered[])
      : []),
    ...(state === "paused" ? [["resume", "Resume", "primary"] satisfies Offered] : []),
    ["promote", "Promote", "plain"],
    ["abort", "Abort", "danger"],
  ];
}

function Ladder({ story }: { story: Story }) {
  const running = isRunning(story);
  const { known, processes } = story.enforcement;
  const enforcing = processes.filter(({ enforces }) => enforces).length;
  const late = processes.filter(({ enforces }) => !enforces);
  return (
    <Panel
      title="Ladder"
      aside={
        story.inForce || running ? (
          <SignalLamp
            aspect={!known ? "dark" : late.length > 0 ? "caution" : "clear"}
            title={late.length > 0 ? `Not yet: ${late.map(({ name }) => name).join(", ")}` : ""}
          >
            {known
              ? `confirmed by ${enforcing} of ${processes.length} processes`
              : "who enforces it is not known"}
          </SignalLamp>
        ) : null
      }
    >
      <ol className={styles.ladder} aria-label="Steps">
        {story.ladder.map((step, at) => {
          const now = running && at === story.step;
          const last = !running && step.beganAt && !story.ladder[at + 1]?.beganAt;
          const took =
            step.beganAt && step.endedAt ? Date.parse(step.endedAt) - Date.parse(step.beganAt) : null;
          return (
            <li
              key={step.weight}
              className={classNames(
                styles.step,
                step.beganAt && styles.past,
                now && styles.now,
                last && story.state === "aborted" && styles.ended,
              )}
              aria-current={now ? "step" : undefined}
            >
              <strong>{weightWords(step.weight)}</strong>
              <div>
                <span>
                  {now ? (
                    <>
                      now, for <Moment at={story.since ?? step.beganAt ?? story.startedAt ?? ""} bare />
                    </>
                  ) : took !== null ? (
                    `held ${duration(took)}`
                  ) : step.bakeSeconds > 0 ? (
                    `bakes ${duration(step.bakeSeconds * 1_000)}`
                  ) : (
                    "the end"
                  )}
                </span>
                {now ? (
                  <span className={styles.under}>
                    next <NextStep item={story} />
                  </span>
                ) : null}
              </div>
            </li>
          );
        })}
      </ol>
    </Panel>
  );
}

function Judged({ story }: { story: Story }) {
  const { standing } = story;
  if (!standing && !isRunning(story)) return null;
  if (!standing)
    return (
      <Panel title="The judge" flush>
        <EmptyState title="Nobody has judged it yet">
          A worker judges once a second, as soon as both sides were called.
        </EmptyState>
      </Panel>
    );
  const { aspect, word } = verdictWords[standing.verdict];
  // Where it is nothing but what the signals say, they say it.
  const repeats =
    standing.signals.length > 0 && standing.signals.every(({ why }) => standing.why.includes(why));
  return (
    <>
      <Panel title="The judge" aside={<SignalLamp aspect={aspect}>{word}</SignalLamp>}>
        <div className={styles.why}>
          {repeats ? null : <p>{sentenceCase(standing.why)}.</p>}
          <ul className={styles.reasons} aria-label="Why">
            {standing.signals.map(({ name, verdict, why }) => (
              <li key={name}>
                <Lamp aspect={verdictWords[verdict].aspect} /> {signalName(name)}:{" "}
                {why.startsWith(`${name}: `) ? why.slice(name.length + 2) : why}
              </li>
            ))}
          </ul>
          <p className={styles.faint}>
            Judged <Moment at={standing.at} /> by {standing.judge}
            {standing.missingSince ? (
              <>
                ; sees nothing since <Moment at={standing.missingSince} />
              </>
            ) : null}
          </p>
        </div>
      </Panel>
      {standing.signals.length > 0 ? <Sides signals={standing.signals} /> : null}
    </>
  );
}

const heads = ["Stable", "Canary", "Samples of this step", "Evidence of worse"];

function Sides({ signals }: { signals: Standing["signals"] }) {
  return (
    <Panel title="Both sides" flush>
      <Table label="Figures of both sides">
        <HeadRow texts={["Signal", "Verdict"]} numbers={heads} />
        <tbody>
          {signals.map((signal) => (
            <tr key={signal.name}>
              <th scope="row">
                {signalName(signal.name)}
                {signal.thresholdMs === null ? null : (
                  <span className={styles.under}>above {milliseconds(signal.thresholdMs)}</span>
                )}
              </th>
              <Cell>
                <SignalLamp aspect={verdictWords[signal.verdict].aspect}>
                  {verdictWords[signal.verdict].word}
                </SignalLamp>
              </Cell>
              <Cell numeric>
                <Side {...signal.stable} />
              </Cell>
              <Cell numeric tone={signal.verdict === "regressed" ? "danger" : undefined}>
                <Side {...signal.canary} />
              </Cell>
              <Cell numeric>
                {count(signal.step.canary)} canary, {count(signal.step.stable)} stable
                <span className={styles.under}>of {count(signal.step.needed)} each</span>
              </Cell>
              <Cell numeric>
                {compact(signal.evidence.now)}
                <span className={styles.under}>bar {compact(signal.evidence.bar)}</span>
              </Cell>
            </tr>
          ))}
        </tbody>
      </Table>
    </Panel>
  );
}

function Side({ n, x, share, low, high }: Standing["signals"][number]["stable"]) {
  if (share === null) return <>–</>;
  return (
    <>
      {percent(share)}{" "}
      <span className={styles.under}>
        {count(x)} of {count(n)}, likely {percent(low)} to {percent(high)}
      </span>
    </>
  );
}

function Timeline({ story }: { story: Story }) {
  return (
    <Panel title="What happened">
      <ol className={styles.timeline} aria-label="What happened">
        {tellStory(story).map(({ id, at, aspect, words, who, why, decision }) => (
          <li key={id}>
            <span>
              <SignalLamp aspect={aspect}>{words}</SignalLamp>{" "}
              <span className={styles.faint}>
                {who}, <Moment at={at} />
              </span>
            </span>
            <span>{sentenceCase(why)}</span>
            {decision ? (
              <>
                <span className={styles.faint}>
                  {decision.confirmations
                    ? `Confirmed by ${decision.confirmations.confirmed} of ${decision.confirmations.expected ?? "an unknown number of"} processes${
                        decision.confirmations.slowestMs === null
                          ? ""
                          : ` in ${milliseconds(decision.confirmations.slowestMs)}`
                      }. `
                    : null}
                  {decision.replays
                    ? "Judging this evidence again gives the same verdict."
                    : "Judging this evidence again gives another verdict."}
                </span>
                <details>
                  <summary>Evidence</summary>
                  <Evidence evidence={decision.evidence} />
                </details>
              </>
            ) : null}
          </li>
        ))}
      </ol>
      {story.partial ? (
        <Badge tone="caution">The database is away; only what is in force is shown</Badge>
      ) : null}
    </Panel>
  );
}
