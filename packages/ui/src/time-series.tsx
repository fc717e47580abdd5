// A small live chart. uPlot draws on a canvas, so the colours are read from the tokens at each drawing.

"use client";

import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import styles from "./time-series.module.css";

export type Series = { label: string; values: (number | null)[]; token: `--${string}`; filled?: boolean };

type Props = {
  /** What it shows, for those who do not see it. */
  label: string;
  /** Seconds since 1970, rising. */
  times: number[];
  series: Series[];
  format: (value: number) => string;
  /** How much time the chart spans, ending at the newest sample. */
  spanSeconds: number;
  /** The scale reaches at least this far, so that noise near zero does not fill the chart. */
  atLeast: number;
  height?: number;
};

export function TimeSeries({ height = 104, ...props }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  latest.current = props;
  const chart = useRef<uPlot>(null);
  const shape = props.series.map(({ label }) => label).join("\n");

  // biome-ignore lint/correctness/useExhaustiveDependencies: rebuilt only when the set of lines changes
  useEffect(() => {
    const target = box.current;
    if (!target) return;
    const made = new uPlot(options(latest, target, tip, height), data(latest.current), target);
    chart.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: target.clientWidth, height }));
    resized.observe(target);
    const redraw = () => made.redraw(false, true);
    const themed = new MutationObserver(redraw);
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", redraw);
    return () => {
      resized.disconnect();
      themed.disconnect();
      dark.removeEventListener("change", redraw);
      made.destroy();
      chart.current = null;
    };
  }, [shape, height]);

  useEffect(() => {
    chart.current?.setData(data(props));
  });

  const last = props.series
    .map(({ label, values }) => `${label} ${props.format(values.findLast((value) => value !== null) ?? 0)}`)
    .join(", ");

  return (
    <figure className={styles.chart} role="img" aria-label={`${props.label}: now ${last}`}>
      <div ref={box} className={styles.canvas} style={{ height }} aria-hidden="true" />
      <div className={styles.span} aria-hidden="true">
        <span>{distance(props.spanSeconds)}</span>
        <span>now</span>
      </div>
      <div ref={tip} className={styles.tip} hidden aria-hidden="true" />
    </figure>
  );
}

const data = ({ times, series }: Props): uPlot.AlignedData => [times, ...series.map(({ values }) => values)];

function options(
  latest: React.RefObject<Props>,
  target: HTMLElement,
  tip: React.RefObject<HTMLDivElement | null>,
  height: number,
): uPlot.Options {
  const colour = (token: string, alpha = 1) => {
    target.style.color =
      alpha === 1 ? `var(${token})` : `color-mix(in srgb, var(${token}) ${alpha * 100}%, transparent)`;
    return getComputedStyle(target).color;
  };
  const font = `500 10.5px ${getComputedStyle(document.body).fontFamily}`;
  return {
    width: target.clientWidth || 280,
    height,
    padding: [8, 0, 6, 0],
    legend: { show: false },
    cursor: {
      sync: { key: "signals" },
      y: false,
      drag: { x: false, y: false },
      points: {
        size: 7,
        width: 1.5,
        stroke: () => colour("--panel"),
        fill: (_, at) => colour(latest.current.series[at - 1]?.token ?? "--accent"),
      },
    },
    scales: {
      x: {
        range: () => {
          const end = latest.current.times.at(-1) ?? Date.now() / 1000;
          return [end - latest.current.spanSeconds, end];
        },
      },
      y: { range: (_, __, max) => [0, niceAbove(Math.max(max ?? 0, latest.current.atLeast))] },
    },
    axes: [
      { show: false },
      {
        side: 1,
        size: 50,
        gap: 6,
        font,
        stroke: () => colour("--ink-faint"),
        grid: { stroke: () => colour("--line"), width: 1 },
        ticks: { show: false },
        splits: (_, __, from, to) => [from, (from + to) / 2, to],
        values: (_, splits) => splits.map((value) => latest.current.format(value)),
      },
    ],
    series: [
      {},
      ...latest.current.series.map(
        (line, at): uPlot.Series => ({
          width: 1.5,
          stroke: () => colour(latest.current.series[at]?.token ?? line.token),
          ...(line.filled ? { fill: () => colour(line.token, 0.12) } : {}),
          points: { show: false },
          spanGaps: false,
        }),
      ),
    ],
    hooks: {
      setCursor: [
        (chart) => {
          const bubble = tip.current;
          const at = chart.cursor.idx;
          if (!bubble) return;
          const time = at === null || at === undefined ? undefined : latest.current.times[at];
          bubble.hidden =
            at === null || at === undefined || time === undefined || (chart.cursor.left ?? -1) < 0;
          if (bubble.hidden || at === null || at === undefined || time === undefined) return;
          const lines = latest.current.series.map(({ label, values }) => {
            const value = values[at];
            return `${label} ${value === null || value === undefined ? "no data" : latest.current.format(value)}`;
          });
          bubble.textContent = `${new Date(time * 1000).toLocaleTimeString("en-GB")}\n${lines.join("\n")}`;
          const left = chart.cursor.left ?? 0;
          const room = target.clientWidth - bubble.offsetWidth - 8;
          bubble.style.left = `${Math.max(8, Math.min(left + 14, room))}px`;
        },
      ],
    },
  };
}

/** The next round number: a scale that reads 0, 25, 50 rather than 0, 22.9, 45.8. */
export function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 4, 5, 10].find((it) => it * power >= value * 0.999) ?? 10;
  return step * power;
}

const distance = (seconds: number) => (seconds < 90 ? `−${seconds} s` : `−${+(seconds / 60).toFixed(1)} min`);
