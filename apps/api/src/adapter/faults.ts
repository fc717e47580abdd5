// What Fastify and Node refuse by themselves, in our codes.

import { AppError, type ErrorCode, errorTable } from "@signalbox/core/errors";
import { nameError } from "@signalbox/modules/trpc";

const said: Record<string, [ErrorCode, string]> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ["too_large", "the body is larger than 1 MiB"],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ["unsupported_media", "send the body as application/json"],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ["malformed", "the body is not as long as Content-Length says"],
  FST_ERR_BAD_URL: ["malformed", "the path is not correctly percent-encoded"],
  FST_ERR_MAX_PARAM_LENGTH: ["not_found", "a part of the path is too long to name anything"],
  FST_ERR_HANDLER_TIMEOUT: ["timeout", "the request took too long"],
  ECONNRESET: ["cancelled", "the caller went away"],
  ERR_STREAM_PREMATURE_CLOSE: ["cancelled", "the caller went away"],
  ECONNABORTED: ["cancelled", "the caller went away"],
};

/** The problem of anything that was thrown on the way of a request. */
export function nameFault(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    // Of a connection that we opened, as to the database, Node names the call to the system that failed; of a caller's it does not.
    const known = "syscall" in error ? undefined : said[error.code];
    if (known) return new AppError(known[0], known[1], { cause: error });
    if (error.code.startsWith("FST_") && "statusCode" in error) {
      const code = (Object.keys(errorTable) as ErrorCode[]).find(
        (code) => errorTable[code].http === error.statusCode,
      );
      if (code && code !== "internal") return new AppError(code, error.message, { cause: error });
    }
  }
  return nameError(error);
}
