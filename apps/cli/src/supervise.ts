// The supervisor of a detached install: reports to the caller until ready, then lives on by itself.
import { faultLine, toFault } from "./fault.ts";
import { AlreadyRunning, startInstall } from "./install.ts";
import type { InstallOptions } from "./roles.ts";
import type { Addresses, Report } from "./supervisor/supervisor.ts";

export type Word =
  | { kind: "report"; report: Report }
  | { kind: "ready"; addresses: Addresses }
  | { kind: "already"; pid?: number }
  | { kind: "fault"; message: string; mend: string };

const tell = (word: Word) => {
  // The caller may have gone; the install goes on without it.
  if (process.connected) process.send?.(word, undefined, undefined, () => {});
};

const options = JSON.parse(process.argv[2]!) as InstallOptions;
const stopping = new AbortController();
let stop: (() => Promise<void>) | undefined;

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
  process.on(signal, () => {
    stopping.abort();
    stop?.().then(() => process.exit(0));
  });
process.on("message", (word) => {
  if (word === "stop") process.kill(process.pid, "SIGTERM");
});

try {
  const running = await startInstall(options, (report) => tell({ kind: "report", report }), {
    signal: stopping.signal,
  });
  stop = running.stop;
  tell({ kind: "ready", addresses: running.addresses });
} catch (error) {
  const { message, mend } = toFault(error);
  if (error instanceof AlreadyRunning) tell({ kind: "already" });
  else tell({ kind: "fault", message, mend });
  console.error(faultLine(toFault(error)));
  process.exitCode = 1;
  process.disconnect?.();
}
