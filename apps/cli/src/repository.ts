// Where this checkout is, and which version of the platform it holds.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../../..");

export function platformVersion(): string {
  return (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version;
}

// Read from .git by hand, so that git itself need not be installed.
export function commit(): string {
  try {
    const head = readFileSync(join(root, ".git/HEAD"), "utf8").trim();
    if (!head.startsWith("ref: ")) return head;
    const ref = head.slice(5);
    const file = join(root, ".git", ref);
    if (existsSync(file)) return readFileSync(file, "utf8").trim();
    const packed = readFileSync(join(root, ".git/packed-refs"), "utf8");
    return (
      packed
        .split("\n")
        .find((line) => line.endsWith(` ${ref}`))
        ?.slice(0, 40) ?? "unknown"
    );
  } catch {
    return "unknown";
  }
}
