// Work for a caller who went away can stop.

import type { Reply } from "./exchange.ts";

/** Aborts when the caller leaves before the answer. */
export const signalOf = (reply: Pick<Reply, "raw">) => () => {
  const controller = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
};
