// What `up` shows: a line per step as it happens, then the addresses, then what befalls the processes.
import type { Addresses, Report } from "./supervisor/supervisor.ts";

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
export const green = (text: string) => paint(32, text);
export const yellow = (text: string) => paint(33, text);
export const red = (text: string) => paint(31, text);
export const dim = (text: string) => paint(2, text);

export function createScreen(write: (text: string) => void = (text) => process.stdout.write(text)) {
  return (report: Report) => {
    switch (report.kind) {
      case "begin":
        return;
      case "progress":
        return write(`  ${dim("…")} ${report.name.padEnd(14)} ${report.text}\n`);
      case "done":
        return write(
          `  ${green("✓")} ${report.name.padEnd(14)} ${dim(`${((report.ms ?? 0) / 1000).toFixed(1)} s`)}\n`,
        );
      case "event": {
        const sign = report.level === "info" ? dim("·") : report.level === "warn" ? yellow("!") : red("✗");
        return write(`  ${sign} ${dim(new Date().toLocaleTimeString("en-GB"))} ${report.text}\n`);
      }
    }
  };
}

export function addressLines(addresses: Addresses, signIn: string | undefined): string {
  const rows = [
    ["API", addresses.api],
    ["Docs", `${addresses.api}/v1/docs`],
    ["Operators", addresses.operator],
    ...(addresses.console ? [["Console", addresses.console]] : []),
    ...(signIn ? [["Sign in once", signIn]] : []),
    ["Token file", addresses.operatorToken],
  ];
  return rows.map(([name, value]) => `  ${name!.padEnd(14)} ${value}`).join("\n");
}
