// What a process said last that explains its end: for the one line that a person reads.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

export function readTail(path: string, bytes = 32_768): string {
  try {
    const fd = openSync(path, "r");
    try {
      const { size } = fstatSync(fd);
      const length = Math.min(size, bytes);
      const buffer = Buffer.alloc(length);
      readSync(fd, buffer, 0, length, size - length);
      return buffer.toString("utf8");
    } finally {
      closeSync(fd);
    }
  } catch {
    return "";
  }
}

type Line = {
  level?: string | number;
  msg?: string;
  err?: { message?: string };
  error?: { message?: string };
};

export function lastWords(path: string): string {
  const lines = readTail(path)
    .split("\n")
    .filter((line) => line.trim());
  for (const line of lines.toReversed()) {
    try {
      const { level, msg, err, error } = JSON.parse(line) as Line;
      const severe = level === "error" || level === "fatal" || Number(level) >= 50;
      if (severe) return clean([msg, (err ?? error)?.message].filter(Boolean).join(": "));
    } catch {
      if (/^\s+at |^Node\.js v|^\s*[{}^]/.test(line)) continue;
      if (/error|fatal|panic|cannot|invalid|must|required|denied|in use/i.test(line)) return clean(line);
    }
  }
  const last = lines.at(-1);
  return last && !last.startsWith("{") ? clean(last) : "";
}

function clean(text: string): string {
  const flat = text.replace(/\s+/g, " ").trim();
  return flat.length > 300 ? `${flat.slice(0, 297)}...` : flat;
}
