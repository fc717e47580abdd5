// Whether a body may be read at all. Runs after authentication and before the first byte of the body.

import { AppError } from "@signalbox/core/errors";
import type { Asked } from "./exchange.ts";

export const maxBodyBytes = 1_048_576;

// JSON is UTF-8; another charset would have to be guessed at.
const json = /^application\/json[ \t]*(?:$|;(?!.*charset=(?!"?utf-?8"?(?:$|[ \t;]))))/i;

/** In the order of refusal: 413 before 415. A body without a length is counted while it is read. */
export function refuseBody({ headers }: Pick<Asked, "headers">): AppError | undefined {
  const length = headers["content-length"];
  if (length === "0" || (length === undefined && headers["transfer-encoding"] === undefined))
    return undefined;
  if (Number(length) > maxBodyBytes) return new AppError("too_large", "the body is larger than 1 MiB");
  const type = headers["content-type"];
  if (type === undefined || !json.test(type))
    return new AppError("unsupported_media", "send the body as application/json, in UTF-8");
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity")
    return new AppError("unsupported_media", "send the body without Content-Encoding");
  return undefined;
}
