// What people asked for and is done one at a time: exports, erasures and rebuilds of read models. It asks the
// database, not the bus: an erasure is owed also while Redis is away, and goes on here after a process that did it has died.

import { newId } from "@signalbox/core/ids";
import { childOf, formatTraceparent } from "@signalbox/core/trace-context";
import { askedWork } from "@signalbox/modules";
import type { Ctx, Deps } from "@signalbox/modules/ctx";

export function startAskedWork(deps: Deps, askEveryMs = 2_500): { close(): Promise<void> } {
  let closed = false;
  const running = askedWork.map(({ name, next }) => {
    /** What is switched off in the middle goes on from there later. */
    const stops = () => closed || deps.live.rules().offForAll(name, deps.now().getTime());
    return repeat(name, async () => {
      while (!stops() && (await next(jobCtx(deps, name), stops)));
    });
  });

  function repeat(name: string, work: () => Promise<void>) {
    let timer: NodeJS.Timeout;
    let current = Promise.resolve();
    const next = () => {
      current = work()
        .catch((error) => deps.log.warn({ error, task: name }, "failed; it is tried again soon"))
        .then(() => {
          if (!closed) timer = setTimeout(next, askEveryMs * (0.9 + Math.random() * 0.2));
        });
    };
    timer = setTimeout(next, Math.random() * askEveryMs);
    return () => {
      clearTimeout(timer);
      return current;
    };
  }

  return {
    async close() {
      closed = true;
      await Promise.all(running.map((stop) => stop()));
    },
  };
}

const jobCtx = (deps: Deps, name: string): Ctx => ({
  ...deps,
  actor: { kind: "job", name },
  requestId: newId(),
  traceparent: formatTraceparent(childOf(undefined)),
  variant: "stable",
  address: "",
  userAgent: "",
  answer: { headers: {} },
});
