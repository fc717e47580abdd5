// What went wrong, as a sentence that an operator can act on. Decided by `code`, never by the text of a message.

/** The part of tRPC's error data that the platform adds. */
export type Fault = {
  code: string;
  requestId?: string | undefined;
  /** What the server says about this very case. */
  detail?: string | undefined;
  fields: { field: string; message: string }[];
};

export function faultOf(error: unknown): Fault {
  if (
    error instanceof Error &&
    "data" in error &&
    isRecord(error.data) &&
    typeof error.data.code === "string"
  ) {
    const { code, requestId, errors } = error.data;
    return {
      code,
      requestId: typeof requestId === "string" ? requestId : undefined,
      detail: error.message,
      fields: Array.isArray(errors) ? errors.filter(isField) : [],
    };
  }
  // No answer that tRPC could read: the console's own server is gone, or something stands between.
  return { code: "unreachable", fields: [] };
}

const sentences: Record<string, string> = {
  unreachable: "The console's own server does not answer. It may be restarting; this page keeps trying.",
  unavailable: "The operator API, or something that it needs, is away. This page keeps trying.",
  unauthorized: "Your session has ended. Sign in again.",
  forbidden: "Your role does not allow this. Ask an admin.",
  not_found: "There is nothing under this name.",
  conflict: "Someone else changed this at the same moment. Look again, then decide.",
  stale: "This changed since you read it. Look again, then decide.",
  invalid: "Some fields are not right.",
  malformed: "The operator API could not read this request. The console may be older than the API.",
  rate_limited: "Too many requests from here. Wait a moment.",
  overloaded: "The operator API is too busy. Wait a moment.",
  timeout: "The operator API took too long.",
  disabled: "This is switched off.",
  internal: "Something went wrong in the operator API. The request id finds it in the log.",
};

export const sentence = (code: string) => sentences[code] ?? `The operator API answered “${code}”.`;

/** A refusal that another attempt can not change. */
export const isFinal = (error: unknown) =>
  ["unauthorized", "forbidden", "not_found", "invalid", "malformed", "gone"].includes(faultOf(error).code);

/** Nothing answers at all: said once for the whole console rather than once a question. */
export const isAway = (error: unknown) => ["unreachable", "unavailable"].includes(faultOf(error).code);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;
const isField = (value: unknown): value is { field: string; message: string } =>
  isRecord(value) && typeof value.field === "string" && typeof value.message === "string";
