// The browser for the end-to-end tests: the system's own, installed from the package manager where that is ours to do.
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { aptGet } from "./engines/redis.ts";
import { Fault } from "./fault.ts";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

export function findChromium(): string | undefined {
  if (process.env.SIGNALBOX_CHROMIUM) return process.env.SIGNALBOX_CHROMIUM;
  for (const folder of (process.env.PATH ?? "").split(delimiter).filter(Boolean))
    for (const name of names) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Not here.
      }
    }
  return existsSync(mac) ? mac : undefined;
}

export const chromiumMend = existsSync("/etc/debian_version")
  ? "Type: sudo apt-get install -y chromium"
  : "Install Chromium or Chrome, or name it in SIGNALBOX_CHROMIUM.";

export async function requireChromium(say: (text: string) => void): Promise<string> {
  const found = findChromium();
  if (found) return found;
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    say("installing chromium with apt-get");
    const done =
      (await aptGet("install", "chromium")) ||
      ((await aptGet("update")) && (await aptGet("install", "chromium")));
    const installed = done ? findChromium() : undefined;
    if (installed) return installed;
  }
  throw new Fault("The end-to-end tests need Chromium, and there is none.", chromiumMend);
}
