// From where something was done: what the caller said of its program, and its address. Kept under the key of the user whom it
// concerns, so that it goes with that key.

import { AppError } from "@signalbox/core/errors";
import type { Wrapped } from "@signalbox/core/vault";
import type { Ctx, InTransaction } from "../ctx.ts";
import { lockOf, openAllFor, type Seal, sealFor } from "../vault.ts";

export type Device = { device: string; address: string | null };

const field = "device";
const nothing = Buffer.alloc(0);

const deviceOf = ({ userAgent, address }: Pick<Ctx, "userAgent" | "address">) =>
  JSON.stringify({ device: userAgent.slice(0, 200), address } satisfies Device);

/** What somebody else did to an account says nothing of its owner's devices, nor should its owner learn theirs. */
const isOwn = ({ actor }: Pick<Ctx, "actor">, userId: string) =>
  actor.kind === "guest" || (actor.kind === "user" && actor.id === userId);

export const sealDevice = async (ctx: Ctx | InTransaction, userId: string): Promise<Buffer> =>
  isOwn(ctx, userId) ? sealFor(ctx, userId, field, deviceOf(ctx)) : nothing;

/** The same with a key that was read already, or is not written yet. */
export const sealDeviceBy = (ctx: Ctx | InTransaction, seal: Seal): Buffer => seal(field, deviceOf(ctx));

export async function sealDeviceWith(
  ctx: Ctx,
  userId: string,
  wrapped: Wrapped | undefined,
): Promise<Buffer> {
  if (!wrapped) throw new AppError("unauthorized", "this account is being erased");
  return sealDeviceBy(ctx, (await lockOf(ctx, userId, wrapped)).seal);
}

export async function openDevices(ctx: Ctx, userId: string, sealed: Buffer[]): Promise<Device[]> {
  const opened = await openAllFor(ctx, userId, field, sealed);
  return opened.map((each) => (each ? JSON.parse(each.toString()) : { device: "", address: null }));
}
