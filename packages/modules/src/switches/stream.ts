// The address of an application's change stream. Browsers send no header there, so the address itself says who may listen.

import { deriveKey, isMac, mac } from "@signalbox/control/keys";
import { AppError } from "@signalbox/core/errors";

const dayMs = 86_400_000;

type Listener = { scopes: string[] };

const keyOf = (secret: Buffer) => deriveKey(secret, "switch-stream");

/** The same for a whole day, so that a client that reads it again need not connect again; good for one to two. */
export function streamPath(
  secret: Buffer,
  { id, scopes }: { id: string; scopes: string[] },
  nowMs: number,
): string {
  const until = (Math.floor(nowMs / dayMs) + 2) * dayMs;
  const payload = Buffer.from(JSON.stringify({ id, scopes, until })).toString("base64url");
  return `/ofrep/v1/stream?token=${payload}.${mac(keyOf(secret), payload).toString("base64url")}`;
}

export function openStreamToken(secret: Buffer, token: string, nowMs: number): Listener & { id: string } {
  const [payload = "", given = ""] = token.split(".");
  if (payload !== "" && isMac(keyOf(secret), payload, given)) {
    const { id, scopes, until } = JSON.parse(Buffer.from(payload, "base64url").toString()) as Listener & {
      id: string;
      until: number;
    };
    if (until > nowMs) return { id, scopes };
  }
  throw new AppError(
    "unauthorized",
    "this stream's address is not ours or has expired; evaluate again for a new one",
  );
}
