// What operators see: the golden signals, once or as they come, and who is alive.

import type { GoldenBy, Golden as Reading } from "@signalbox/core/signals/golden";
import type { GoldenWindow } from "@signalbox/core/signals/spans";
import type { z } from "zod";
import type { AsOperator, Deps } from "../ctx.ts";
import { pageByKey } from "./list.ts";
import { planeOf } from "./plane.ts";
import type { Golden, OperatorPage, ServiceItem } from "./schema.ts";

type Query = { window: GoldenWindow; by: GoldenBy };

export const readGolden = (ctx: AsOperator, query: Query): Promise<Golden> => ctx.signals.readGolden(query);

export const readCourse = async (ctx: AsOperator, { window }: Pick<Query, "window">) => ({
  items: await ctx.signals.readCourse({ window }),
  nextCursor: null,
});

/** How full each process is, and how the parts that it asks are. */
export async function readParts({ signals }: Pick<Deps, "signals">) {
  const { saturation } = await signals.readGolden({ window: "30s", by: "service" });
  return saturation.instances.flatMap(({ instance, name, parts }) =>
    parts ? [{ instance, name, parts }] : [],
  );
}

const everyMs = 1_000;

/** A reading at once and then one a second, until nobody listens. */
export async function* watchGolden(
  { signals }: Pick<Deps, "signals">,
  query: Query,
  signal: AbortSignal | undefined,
): AsyncGenerator<Reading> {
  while (!signal?.aborted) {
    yield await signals.readGolden(query);
    await pause(everyMs, signal);
  }
}

/** The same for a plain route of server-sent events: `send` takes the text of one event. */
export async function streamGolden(
  deps: Pick<Deps, "signals">,
  query: Query,
  send: (text: string) => void | Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  // The browser comes back by itself after this long when the stream ends.
  await send("retry: 2000\n\n");
  for await (const golden of watchGolden(deps, query, signal))
    await send(`id: ${golden.at}\ndata: ${JSON.stringify(golden)}\n\n`);
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}

export async function listServices(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const { registry, live } = ctx;
  const { confirmations } = planeOf(ctx);
  const [seen, ledger] = await Promise.all([registry.list(), confirmations.ledger()]);
  const all = seen ?? registry.lastKnown();
  const items = all.map(
    (instance): ServiceItem => ({
      ...instance,
      ejectedBy: all.filter(({ ejected }) => ejected.includes(instance.id)).map(({ id }) => id),
      // A confirmation is newer than the last beat; a process that holds no settings confirms none.
      revision: instance.revision === null ? null : (ledger?.get(instance.id)?.revision ?? instance.revision),
    }),
  );
  return {
    ...pageByKey("services", items, page, ({ id }) => id),
    known: seen !== undefined,
    revision: live.revision,
  };
}
