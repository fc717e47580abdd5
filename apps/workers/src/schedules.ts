// Schedules of the queues: said by each process of workers, and again every so often, so that a Redis that forgot them learns
// them anew.

import { work } from "@signalbox/modules";
import type { Deps } from "@signalbox/modules/ctx";
import { scheduleWork } from "@signalbox/modules/work";

const everyMs = 60_000;
const retryMs = 5_000;

export function keepSchedules(deps: Pick<Deps, "queues" | "log">): { close(): void } {
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  const say = async () => {
    const isSaid = await scheduleWork(deps, work).then(
      () => true,
      (error) => {
        deps.log.debug({ error }, "schedules could not be said; they are said again soon");
        return false;
      },
    );
    if (!isClosed) timer = setTimeout(say, isSaid ? everyMs : retryMs);
  };
  void say();
  return {
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
