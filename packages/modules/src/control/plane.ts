// What the operators' procedures stand on besides the deps of every process: the log, and who confirmed what. One a process,
// found by its live settings, because several processes' worth of deps can live in one (tests do).

import { type Confirmations, createConfirmations } from "@signalbox/control/confirmations";
import { createExpirySweep } from "@signalbox/control/expiry";
import type { Live } from "@signalbox/control/live";
import { type ControlLog, createControlLog } from "@signalbox/control/log";
import type { Deps } from "../ctx.ts";
import type { Changed } from "./schema.ts";

export type ControlPlane = Pick<Deps, "live" | "registry" | "signals"> & {
  controlLog: ControlLog;
  confirmations: Confirmations;
  close(): Promise<void>;
};

const planes = new WeakMap<Live, ControlPlane>();

/** Opened with the operators' port, so that it hears confirmations from the first flip on; the same one when asked again. */
export function openPlane(deps: Deps, { prefix }: { prefix?: string } = {}): ControlPlane {
  const { sql, redis, log, live, registry, signals, instance } = deps;
  const opened = planes.get(live);
  if (opened) return opened;
  const controlLog = createControlLog(sql);
  const confirmations = createConfirmations({
    redis,
    prefix,
    own: () => ({ id: instance.id, revision: live.revision }),
    // A process that holds no settings has nothing to confirm.
    expected: async () => (await registry.list())?.filter(({ revision }) => revision !== null),
  });
  const sweep = createExpirySweep({ controlLog, live, log });
  sweep.start();
  const plane: ControlPlane = {
    live,
    registry,
    signals,
    controlLog,
    confirmations,
    async close() {
      planes.delete(live);
      await sweep.close();
      confirmations.close();
    },
  };
  planes.set(live, plane);
  return plane;
}

/** Where one was opened by the first who asked for it. */
export const closePlane = async (live: Live): Promise<void> => planes.get(live)?.close();

export const planeOf = (ctx: Deps): ControlPlane => openPlane(ctx);

/** The answer to a change: its revision, and who enforces it by now. */
export const confirmed = async (
  { confirmations }: ControlPlane,
  { revision, committedAt, logged }: { revision: number; committedAt: number; logged: boolean },
): Promise<Changed> => ({
  version: revision,
  confirmations: await confirmations.waitFor(revision, committedAt),
  ...(logged ? {} : { logged }),
});
