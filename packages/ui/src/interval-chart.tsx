// Lines over time, each within the band where its true value probably is. Drawn as SVG: few points, and sharp at any size.

"use client";

import { useState } from "react";
import { classNames } from "./class-names.ts";
import styles from "./interval-chart.module.css";
import { niceAbove } from "./time-series.tsx";

type Value = number | null;
type Series = { label: string; token: `--${string}`; values: Value[]; lows: Value[]; highs: Value[] };

const [width, height] = [1_000, 160];

export function IntervalChart({
  label,
  times,
  series,
  marks,
  format,
}: {
  label: string;
  /** Milliseconds since 1970, rising; as many as each series has values. */
  times: number[];
  series: Series[];
  /** What began when. */
  marks: { at: number; label: string }[];
  format: (value: number) => string;
}) {
  const [hover, setHover] = useState<number | null>(null);
  const from = Math.min(times[0] ?? 0, ...marks.map(({ at }) => at));
  const to = times.at(-1) ?? from + 1;
  const top = niceAbove(scaleOf(series));
  const x = (at: number) => ((at - from) / Math.max(1, to - from)) * width;
  const y = (value: number) => height - (Math.min(value, top) / top) * height;

  const said = series
    .map(({ label, values, lows, highs }) => {
      const [value, low, high] = [values.at(-1), lows.at(-1), highs.at(-1)];
      return value === null || value === undefined
        ? `${label} no data`
        : `${label} ${format(value)}, likely ${format(low ?? 0)} to ${format(high ?? 1)}`;
    })
    .join("; ");
  const at = hover === null ? undefined : times[hover];

  return (
    <figure className={styles.chart} role="img" aria-label={`${label}: ${said}`}>
      <div
        className={styles.plot}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          setHover(nearest(times, from + ((event.clientX - box.left) / box.width) * (to - from)));
        }}
        onPointerLeave={() => setHover(null)}
      >
        <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
          {[0, 0.5, 1].map((part) => (
            <line
              key={part}
              className={styles.grid}
              x1={0}
              x2={width}
              y1={part * height}
              y2={part * height}
            />
          ))}
          {marks.map((mark) => (
            <line key={mark.at} className={styles.mark} x1={x(mark.at)} x2={x(mark.at)} y1={0} y2={height} />
          ))}
          {series.map(({ label, token, values, lows, highs }) => (
            <g key={label} style={{ color: `var(${token})` }}>
              <path className={styles.band} d={bandPath(times, lows, highs, x, y)} />
              <path className={styles.line} d={linePath(times, values, x, y)} />
            </g>
          ))}
          {at === undefined ? null : (
            <line className={styles.cursor} x1={x(at)} x2={x(at)} y1={0} y2={height} />
          )}
        </svg>
        <div className={styles.marks} aria-hidden="true">
          {marks.map((mark) => (
            <span
              key={mark.at}
              className={classNames(x(mark.at) > width * 0.92 && styles.late)}
              style={{ left: `${x(mark.at) / 10}%` }}
            >
              {mark.label}
            </span>
          ))}
        </div>
        {at === undefined || hover === null ? null : (
          <div
            className={classNames(styles.tip, x(at) > width / 2 && styles.tipLeft)}
            style={{ left: `${x(at) / 10}%` }}
            aria-hidden="true"
          >
            <div>{new Date(at).toLocaleTimeString("en-GB")}</div>
            {series.map(({ label, values, lows, highs }) => {
              const value = values[hover];
              return (
                <div key={label}>
                  {label}{" "}
                  {value === null || value === undefined
                    ? "no data"
                    : `${format(value)} (${format(lows[hover] ?? 0)} to ${format(highs[hover] ?? 1)})`}
                </div>
              );
            })}
          </div>
        )}
      </div>
      <div className={styles.axis} aria-hidden="true">
        <span>{format(top)}</span>
        <span>{format(top / 2)}</span>
        <span>{format(0)}</span>
      </div>
    </figure>
  );
}

/** Of few requests hardly anything is known: their bands may leave the picture, so that the rest can be told apart. */
function scaleOf(series: Series[]): number {
  const settled = series.flatMap(({ values, highs }) => {
    const from = Math.floor(highs.length * 0.6);
    return [...values, ...highs.slice(from)].filter((value) => value !== null);
  });
  return Math.min(1, Math.max(0.001, ...settled));
}

type Scale = (value: number) => number;

function linePath(times: number[], values: Value[], x: Scale, y: Scale): string {
  let path = "";
  for (const [at, time] of times.entries()) {
    const value = values[at] ?? null;
    if (value === null) continue;
    path += `${path === "" ? "M" : "L"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
  }
  return path;
}

function bandPath(times: number[], lows: Value[], highs: Value[], x: Scale, y: Scale): string {
  const known = times.flatMap((time, at) => {
    const [low, high] = [lows[at] ?? null, highs[at] ?? null];
    return low === null || high === null ? [] : [{ time, low, high }];
  });
  if (known.length < 2) return "";
  const point = (time: number, value: number) => `${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
  return `M${known.map(({ time, high }) => point(time, high)).join("L")}L${known
    .toReversed()
    .map(({ time, low }) => point(time, low))
    .join("L")}Z`;
}

function nearest(times: number[], at: number): number {
  let best = 0;
  for (const [index, time] of times.entries())
    if (Math.abs(time - at) < Math.abs((times[best] ?? 0) - at)) best = index;
  return best;
}
