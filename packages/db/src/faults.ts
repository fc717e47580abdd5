// The one place that reads Postgres' error codes, so that the rest of the code sees our own few words.

import { AppError } from "@signalbox/core/errors";

// Of Postgres, of the system, or of the driver: what wraps an error may have a code of its own.
const ours = /^([0-9A-Z]{5}|E[A-Z_]+|CONNECT\w*)$/;

const pgCode = (error: unknown): string | undefined => {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string" && ours.test(at.code)) return at.code;
  }
  return undefined;
};

// 08: connection, 57P: shutting down or starting, 53: out of a resource, 25006: a replica that cannot write.
const awayCode = /^(08|57P|53|25006|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|CONNECT|CONNECTION_)/;

/** Of these what was asked never came to where it could take effect. */
const unreachedCode = /^(08001|08004|57P03|53|25006|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|CONNECT_TIMEOUT)/;

export function isDatabaseAway(error: unknown): boolean {
  const code = pgCode(error);
  return code !== undefined && awayCode.test(code);
}

/** For what it holds (22) or what it runs into (23): the statement itself is at fault, and changed nothing. */
export const isRefusedData = (error: unknown): boolean => /^2[23]/.test(pgCode(error) ?? "");

/** Refused only because an earlier statement of its transaction failed. */
export const isAfterFailure = (error: unknown): boolean => pgCode(error) === "25P02";

/** On a copy of the database: the reading stood in the way of what was to be replayed. */
export const isReplayConflict = (error: unknown): boolean => pgCode(error) === "40001";

/** The constraint that a write ran into, or undefined where it failed for another reason. */
export function violatedConstraint(error: unknown): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ("code" in at && at.code === "23505") {
      return "constraint_name" in at && typeof at.constraint_name === "string"
        ? at.constraint_name
        : "unknown";
    }
  }
  return undefined;
}

/** Names what a caller may be told; undefined: not the database's doing. */
export function nameDatabaseFault(error: unknown): AppError | undefined {
  if (violatedConstraint(error))
    return new AppError("conflict", "this was taken in the same moment", { cause: error });
  const code = pgCode(error);
  if (code === "57014")
    return new AppError("unavailable", "the database took too long; try again", {
      cause: error,
      retryAfterMs: 1_000,
    });
  if (code === "40001" || code === "40P01")
    return new AppError("conflict", "someone changed this at the same time; try again", {
      cause: error,
      retryAfterMs: 100,
    });
  if (isDatabaseAway(error)) {
    // The answer to a COMMIT is lost together with its connection.
    const outcome = unreachedCode.test(code!)
      ? "nothing was changed"
      : "a change may have been made all the same";
    return new AppError("unavailable", `the database is away; ${outcome}, try again shortly`, {
      cause: error,
      retryAfterMs: 2_000,
    });
  }
  return undefined;
}
