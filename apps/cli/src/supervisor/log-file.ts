// A process writes to its log file by itself, so that it outlives the supervisor; here the file is kept from growing.
import { closeSync, copyFileSync, openSync, renameSync, statSync, truncateSync } from "node:fs";

const largestBytes = 20e6;

export function openLog(path: string): number {
  return openSync(path, "a", 0o600);
}

// The writer holds the file open in append mode, so it is copied and emptied in place rather than moved.
export function rotateLog(path: string): void {
  try {
    if (statSync(path).size < largestBytes) return;
    copyFileSync(path, `${path}.1.new`);
    truncateSync(path);
    renameSync(`${path}.1.new`, `${path}.1`);
  } catch {
    // No such log yet, or no room for a copy: the log grows until there is.
  }
}

// The supervisor's own lines have the shape of every other service's, so `logs` shows them alike.
export function logLine(level: "info" | "warn" | "error", msg: string): string {
  const time = new Date().toISOString();
  return `${JSON.stringify({ level, time, service: "supervisor", msg })}\n`;
}

export function closeLog(fd: number): void {
  closeSync(fd);
}
