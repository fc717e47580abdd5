// The queue of writes of an api process, and how one of them is done: as its user, through its procedure, and past the gateway,
// which has let it in before.

import { join } from "node:path";
import type { Config } from "@signalbox/core/config";
import { AppError } from "@signalbox/core/errors";
import { childOf, formatTraceparent, readTraceparent } from "@signalbox/core/trace-context";
import type { Ctx, Deps } from "../ctx.ts";
import { appRouter } from "../index.ts";
import { nameError } from "../trpc.ts";
import { findAccount } from "../users/index.ts";
import { openWriteQueue, type Write, type WriteQueue } from "./write-queue.ts";

/** Only where posts are written; undefined also while another process of this name works with the folder. */
export async function openWrites(config: Config, deps: Deps): Promise<WriteQueue | undefined> {
  if (deps.elsewhere?.has("feed")) return undefined;
  const folder = join(config.SIGNALBOX_DATA_DIR, "writes", config.SIGNALBOX_NAME);
  let queue: WriteQueue | undefined;
  try {
    queue = await openWriteQueue({ ...deps, folder, perform: (write) => perform(deps, write) });
  } catch (error) {
    deps.log.warn({ error, folder }, "this folder can not be written to, so no writes are kept there");
    return undefined;
  }
  if (!queue)
    deps.log.warn(
      { folder },
      "another process keeps its writes in this folder, so this one keeps none; give each a SIGNALBOX_NAME or a SIGNALBOX_DATA_DIR of its own",
    );
  return queue;
}

export async function perform(deps: Deps, write: Write): Promise<unknown> {
  const { name, actor, raw, key, requestId } = write;
  try {
    // What he wrote before he left is not written after it.
    if (!(await findAccount(deps, { id: actor.id })))
      throw new AppError("unauthorized", "this account no longer exists");
    const ctx: Ctx = {
      ...deps,
      gateway: (_call, next) => next(),
      actor,
      requestId,
      traceparent: formatTraceparent(childOf(readTraceparent(write.traceparent))),
      variant: "stable",
      address: "",
      userAgent: "",
      idempotencyKey: key,
      answer: { headers: {} },
    };
    const [module = "", noun = "", verb = ""] = name.split(".");
    const caller = appRouter.createCaller(ctx) as unknown as Record<
      string,
      Record<string, Record<string, (raw: unknown) => Promise<unknown>>>
    >;
    return await caller[module]![noun]![verb]!(raw);
  } catch (error) {
    throw nameError(error);
  }
}
