"use client";

import type { SwitchItem } from "@signalbox/modules/control/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { classNames } from "@signalbox/ui/class-names";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { compact, sentenceCase } from "@/format.ts";
import { ChangedBy } from "../changed-by.tsx";
import { aspectOf, stateWords } from "../state-words.ts";
import { depthOf, takesCalls } from "./switch-groups.ts";
import { flagWords, insteadWords, kindMarks, targetWords } from "./switch-words.ts";
import styles from "./switches.module.css";

export function SwitchRow({
  item,
  now,
  isPast,
  rps,
  isFlagged,
  mayTurn,
  onFlip,
  onHistory,
}: {
  item: SwitchItem;
  /** As it is, where the row tells of the past. */
  now: SwitchItem | undefined;
  isPast: boolean;
  /** Undefined while it is not known. */
  rps: number | undefined;
  /** Whether all flags are shown, and not only those that ask for something. */
  isFlagged: boolean;
  mayTurn: boolean;
  onFlip: () => void;
  onHistory: () => void;
}) {
  const { effective } = item;
  const isOff = effective.state === "off";
  const from = effective.by !== null && effective.by !== item.key ? effective.by : undefined;
  return (
    <li
      className={classNames(
        styles.row,
        !item.key.includes(".") && styles.isModule,
        isOff && (effective.share < 100 || item.targets.length > 0 ? styles.isPartlyOff : styles.isOff),
      )}
      style={{ "--depth": item.kind === "tag" ? 0 : depthOf(item.key) } as React.CSSProperties}
    >
      <div className={styles.name}>
        <button
          type="button"
          className={styles.open}
          onClick={onHistory}
          aria-label={`History of ${item.key}`}
        >
          <code className={classNames(["prefix", "all"].includes(item.kind) && styles.prefix)}>
            {item.key}
          </code>
        </button>
        <Marks item={item} isFlagged={isFlagged} />
      </div>
      <div className={styles.state}>
        <SignalLamp aspect={aspectOf(effective)}>{sentenceCase(stateWords(effective))}</SignalLamp>
        {from ? (
          <span className={styles.from}>
            by <code>{from}</code>
          </span>
        ) : null}
        {now && stateWords(now.effective) !== stateWords(effective) ? (
          <Badge tone="caution">now {stateWords(now.effective)}</Badge>
        ) : null}
      </div>
      <div className={styles.why}>
        <Why item={item} />
      </div>
      <div className={styles.rps}>
        {rps === undefined || !takesCalls(item) ? "" : rps > 0 ? `${compact(rps)}/s` : "–"}
      </div>
      <div className={styles.actions}>
        {isPast ? null : (
          <Button
            size="s"
            tone={isOff ? "plain" : "quiet"}
            data-step=""
            className={styles.turn}
            onClick={onFlip}
            disabled={!mayTurn}
            title={mayTurn ? undefined : "Your role may look, not turn"}
            aria-label={`${isOff ? "Change" : "Turn off"} ${item.key}`}
            onKeyDown={(event) => {
              if (event.key === "h") onHistory();
            }}
          >
            {isOff ? "Change" : "Turn off"}
          </Button>
        )}
      </div>
    </li>
  );
}

function Marks({ item, isFlagged }: { item: SwitchItem; isFlagged: boolean }) {
  const flags = item.flags.filter((flag) => isFlagged || flag !== "undrilled");
  const mark = kindMarks[item.kind];
  return (
    <>
      {mark ? <Badge title={mark.means}>{mark.word}</Badge> : null}
      {item.kind === "prefix" ? <span className={styles.below}>and all below</span> : null}
      {item.kind === "all" ? <span className={styles.below}>every call and job</span> : null}
      {item.title ? <span className={styles.below}>{item.title}</span> : null}
      {item.isProtected && !["prefix", "all", "tag"].includes(item.kind) ? (
        <Badge title="Letting more callers through takes a second operator">protected</Badge>
      ) : null}
      {item.isOverridden ? (
        <Badge tone="caution" title="A file on some machine decides there, whatever is set here">
          overridden
        </Badge>
      ) : null}
      {flags.map((flag) => (
        <Badge
          key={flag}
          tone={flag === "conflict" ? "danger" : flag === "stale" ? "caution" : "plain"}
          title={flagWords[flag].means}
        >
          {flagWords[flag].word}
        </Badge>
      ))}
    </>
  );
}

function Why({ item }: { item: SwitchItem }) {
  if (item.revision === 0) return null;
  const limits = [
    item.targets.length > 0 && `only where ${targetWords(item.targets)}`,
    item.state === "off" && item.instead !== "refuse" && insteadWords[item.instead].means,
  ].filter(Boolean);
  return (
    <>
      <span className={styles.reason} title={item.reason}>
        {item.reason}
      </span>
      {limits.length > 0 ? <span className={styles.limits}>{sentenceCase(limits.join(". "))}</span> : null}
      <span className={styles.who}>
        <ChangedBy item={item} then={item.state === "off" ? "back on" : "back to before"} />
      </span>
    </>
  );
}
