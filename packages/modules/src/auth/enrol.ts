// A second factor for whoever may not sign in without one and has none yet: set up by login and password, and no session is opened.

import { AppError } from "@signalbox/core/errors";
import type { z } from "zod";
import type { Ctx } from "../ctx.ts";
import { knownByPassword } from "./known.ts";
import type { ConfirmEnrol, ConfirmedFactor, Enrol, NewFactor } from "./schema.ts";
import { beginFactor, finishFactor, isFactorNeeded } from "./second-factor.ts";

async function requireEnrolling(ctx: Ctx, input: z.infer<typeof Enrol>): Promise<string> {
  const { attempt, found } = await knownByPassword(ctx, input);
  attempt.forgive();
  if (found.hasSecondFactor)
    throw new AppError("conflict", "this account has a second factor; sign in with its code");
  // Else a stolen password would be enough to lock its owner out.
  if (!isFactorNeeded(ctx, found.role))
    throw new AppError(
      "forbidden",
      "this account signs in without a second factor; sign in, then set one up",
    );
  return found.user.id;
}

export async function enrol(ctx: Ctx, input: z.infer<typeof Enrol>): Promise<z.infer<typeof NewFactor>> {
  return beginFactor(ctx, await requireEnrolling(ctx, input));
}

export async function confirmEnrol(
  ctx: Ctx,
  { code, ...input }: z.infer<typeof ConfirmEnrol>,
): Promise<z.infer<typeof ConfirmedFactor>> {
  return finishFactor(ctx, { id: await requireEnrolling(ctx, input), code });
}
