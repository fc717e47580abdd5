"use client";

import type { SwitchItem } from "@signalbox/modules/control/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { classNames } from "@signalbox/ui/class-names";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { compact, sentenceCase } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import { aspectOf, stateWords } from "../state-words.ts";
import { depthOf } from "./switch-groups.ts";
import styles from "./switches.module.css";

export function SwitchRow({
  item,
  rps,
  mayTurn,
  onFlip,
  onHistory,
}: {
  item: SwitchItem;
  /** Undefined while it is not known. */
  rps: number | undefined;
  mayTurn: boolean;
  onFlip: () => void;
  onHistory: () => void;
}) {
  const { effective } = item;
  const from = effective.by !== null && effective.by !== item.key ? effective.by : undefined;
  const touched = item.revision > 0;
  return (
    <li
      className={classNames(
        styles.row,
        effective.state === "off" && (effective.share < 100 ? styles.isPartlyOff : styles.isOff),
      )}
      style={{ "--depth": depthOf(item.key) } as React.CSSProperties}
    >
      <div className={styles.name}>
        <code className={classNames(item.kind !== "procedure" && styles.prefix)}>
          {item.key === "*" ? "*" : item.key}
        </code>
        {item.kind === "job" ? <Badge title="Work in the back room, not a call">job</Badge> : null}
        {item.kind === "prefix" ? <span className={styles.below}>and all below</span> : null}
        {item.kind === "all" ? <span className={styles.below}>every call and job</span> : null}
      </div>
      <div className={styles.state}>
        <SignalLamp aspect={aspectOf(effective)}>{sentenceCase(stateWords(effective))}</SignalLamp>
        {from ? (
          <span className={styles.from}>
            by <code>{from}</code>
          </span>
        ) : null}
      </div>
      <div className={styles.why}>
        {touched ? (
          <>
            <span className={styles.reason} title={item.reason}>
              {item.reason}
            </span>
            <span className={styles.who}>
              {item.changedBy?.name}
              {item.changedAt ? (
                <>
                  , <Moment at={item.changedAt} />
                </>
              ) : null}
              {item.expiresAt ? (
                <strong>
                  {" "}
                  · back {item.state === "off" ? "on" : "to before"} <Moment at={item.expiresAt} future />
                </strong>
              ) : null}
            </span>
          </>
        ) : null}
      </div>
      <div className={styles.rps}>
        {rps === undefined || item.kind === "job" ? "" : rps > 0 ? `${compact(rps)}/s` : "–"}
      </div>
      <div className={styles.actions}>
        <Button
          size="s"
          tone="quiet"
          onClick={onHistory}
          aria-label={`History of ${item.key}`}
          className={touched ? undefined : styles.none}
        >
          History
        </Button>
        <Button
          size="s"
          data-step=""
          className={styles.turn}
          onClick={onFlip}
          disabled={!mayTurn}
          title={mayTurn ? undefined : "Your role may look, not turn"}
          aria-label={`${effective.state === "off" ? "Change" : "Turn off"} ${item.key}`}
          onKeyDown={(event) => {
            if (event.key === "h" && touched) onHistory();
          }}
        >
          {effective.state === "off" ? "Change" : "Turn off"}
        </Button>
      </div>
    </li>
  );
}
