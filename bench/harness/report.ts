// How every benchmark tells its figures: a table for people, or with --json one object and nothing else.

import { cpus, totalmem } from "node:os";

export type Figure = {
  name: string;
  value: number;
  unit: string;
  bar: number;
  better: "higher" | "lower";
  ok: boolean;
};

export const figure = (
  name: string,
  value: number,
  { unit, bar, better }: { unit: string; bar: number; better: "higher" | "lower" },
): Figure => ({
  name,
  value: Number(value.toPrecision(4)),
  unit,
  bar,
  better,
  // A figure that is not a number has not been measured, and passes nothing.
  ok: better === "higher" ? value >= bar : value <= bar,
});

const isJson = process.argv.includes("--json");

/** What is going on meanwhile; never on standard output, which is the report's. */
export function progress(line: string): void {
  if (!isJson) process.stderr.write(`${line}\n`);
}

/** Prints the report and sets the exit status: 0 only where every figure reaches its bar. */
export function report(name: string, figures: Figure[]): void {
  const ok = figures.length > 0 && figures.every((figure) => figure.ok);
  const [cpu] = cpus();
  const machine = {
    cpu: cpu?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    os: `${process.platform} ${process.arch}`,
    node: process.version,
  };
  if (isJson) process.stdout.write(`${JSON.stringify({ name, machine, figures, ok })}\n`);
  else
    process.stdout.write(`${table(figures)}\n${name}: ${ok ? "every bar is reached" : "a bar is missed"}\n`);
  process.exitCode = ok ? 0 : 1;
}

function table(figures: Figure[]): string {
  const rows = figures.map(({ name, value, unit, bar, better, ok }) => [
    name,
    `${value} ${unit}`,
    `${better === "higher" ? "at least" : "at most"} ${bar}`,
    ok ? "ok" : "missed",
  ]);
  const all = [["figure", "value", "bar", ""], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
