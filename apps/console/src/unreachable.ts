// The answer when the operator API does not give one, in the form that the caller's door expects.

import { operatorUrl } from "./operator-url.ts";

export function unreachable(pathname: string, requestId: string, cause: unknown): Response {
  const problem = {
    type: "https://signalbox.dev/errors#unavailable",
    title: "A part this needs is away",
    status: 503,
    code: "unavailable",
    detail: `the operator API does not answer at ${operatorUrl()} (${reason(cause)})`,
    requestId,
    retryAfterMs: 2_000,
  };
  const headers = { "retry-after": "2", "x-request-id": requestId, "cache-control": "no-store" };
  if (!pathname.startsWith("/operator/trpc"))
    return Response.json(problem, {
      status: 503,
      headers: { ...headers, "content-type": "application/problem+json" },
    });
  const { type: _type, status, detail, ...data } = problem;
  // tRPC's own code for an internal fault; clients of this platform read `data.code`.
  return Response.json(
    { error: { message: detail, code: -32603, data: { ...data, httpStatus: status } } },
    { status: 503, headers },
  );
}

function reason(cause: unknown): string {
  for (let at = cause; at instanceof Error; at = at.cause)
    if ("code" in at && typeof at.code === "string") return at.code;
  return "no connection";
}
