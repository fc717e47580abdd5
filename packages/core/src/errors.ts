// The closed list of ways a call can be refused. Add a row here: HTTP status, tRPC code, problem title and docs follow.

export const errorTable = {
  malformed: { http: 400, trpc: "BAD_REQUEST", title: "The request could not be read" },
  unauthorized: { http: 401, trpc: "UNAUTHORIZED", title: "Sign in first" },
  forbidden: { http: 403, trpc: "FORBIDDEN", title: "Not allowed" },
  not_found: { http: 404, trpc: "NOT_FOUND", title: "Nothing here" },
  method_not_allowed: { http: 405, trpc: "METHOD_NOT_SUPPORTED", title: "This method does not exist here" },
  timeout: { http: 408, trpc: "TIMEOUT", title: "The request took too long" },
  conflict: { http: 409, trpc: "CONFLICT", title: "Someone else was first" },
  gone: { http: 410, trpc: "NOT_FOUND", title: "No longer here" },
  stale: { http: 412, trpc: "PRECONDITION_FAILED", title: "It changed since you read it" },
  too_large: { http: 413, trpc: "PAYLOAD_TOO_LARGE", title: "Too large" },
  unsupported_media: {
    http: 415,
    trpc: "UNSUPPORTED_MEDIA_TYPE",
    title: "This content type is not understood",
  },
  expectation_failed: { http: 417, trpc: "BAD_REQUEST", title: "This expectation can not be met" },
  invalid: { http: 422, trpc: "UNPROCESSABLE_CONTENT", title: "Some fields are not right" },
  rate_limited: { http: 429, trpc: "TOO_MANY_REQUESTS", title: "Too many requests" },
  headers_too_large: { http: 431, trpc: "BAD_REQUEST", title: "The request headers are too large" },
  cancelled: { http: 499, trpc: "CLIENT_CLOSED_REQUEST", title: "The caller went away" },
  internal: { http: 500, trpc: "INTERNAL_SERVER_ERROR", title: "Something went wrong" },
  disabled: { http: 503, trpc: "SERVICE_UNAVAILABLE", title: "Switched off" },
  overloaded: { http: 503, trpc: "SERVICE_UNAVAILABLE", title: "Too busy" },
  unavailable: { http: 503, trpc: "SERVICE_UNAVAILABLE", title: "A part this needs is away" },
  deadline: { http: 504, trpc: "GATEWAY_TIMEOUT", title: "The time for this call is over" },
  /** No failure, and no success yet. */
  queued: { http: 202, trpc: "SERVICE_UNAVAILABLE", title: "Written down, and not done yet" },
} as const satisfies Record<string, { http: number; trpc: string; title: string }>;

export type ErrorCode = keyof typeof errorTable;
export type FieldError = { field: string; message: string };

export type Problem = {
  type: string;
  title: string;
  status: number;
  code: ErrorCode;
  detail: string;
  requestId: string;
  errors?: FieldError[];
  retryAfterMs?: number;
};

export class AppError extends Error {
  readonly code: ErrorCode;
  readonly errors: FieldError[] | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    detail: string,
    more: { errors?: FieldError[]; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(detail, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "AppError";
    this.code = code;
    this.errors = more.errors;
    this.retryAfterMs = more.retryAfterMs;
  }

  get status(): number {
    return errorTable[this.code].http;
  }
}

/** Where a reader of `type` lands: one heading a code in docs/errors.md. */
export const problemType = (code: ErrorCode) => `https://signalbox.dev/errors#${code}`;

/** What a caller may know. The full text of anything unexpected stays in the log. */
export function toProblem(error: AppError, requestId: string): Problem {
  return {
    type: problemType(error.code),
    title: errorTable[error.code].title,
    status: error.status,
    code: error.code,
    detail: error.message,
    requestId,
    ...(error.errors ? { errors: error.errors } : {}),
    ...(error.retryAfterMs !== undefined ? { retryAfterMs: error.retryAfterMs } : {}),
  };
}
