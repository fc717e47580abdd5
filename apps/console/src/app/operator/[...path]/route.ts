// The browser's way to the operator API: same origin, so that the session cookie stays strict and no CORS is needed.
// Bodies stream in both directions and nothing is kept, so that server-sent events arrive as they are sent.

import { operatorUrl } from "@/operator-url.ts";
import { unreachable } from "@/unreachable.ts";

export const dynamic = "force-dynamic";

const forwarded = [
  "accept",
  "authorization",
  "content-type",
  "cookie",
  "idempotency-key",
  "if-match",
  "if-none-match",
  "last-event-id",
  "traceparent",
  "trpc-accept",
  "user-agent",
];
/** Set by fetch or by Next's server for the answer that they make themselves. */
const dropped = ["connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"];

async function forward(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const requestId = sane(request.headers.get("x-request-id")) ?? crypto.randomUUID();

  // The cookie is SameSite=Strict; a browser that says outright that another site asks is refused all the same.
  const site = request.headers.get("sec-fetch-site");
  if (request.method !== "GET" && site !== null && site !== "same-origin" && site !== "none")
    return Response.json(
      { code: "forbidden", title: "Not allowed", status: 403, requestId },
      { status: 403 },
    );

  const headers = new Headers({ "x-request-id": requestId, "accept-encoding": "identity" });
  for (const name of forwarded) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }

  let answer: Response;
  try {
    answer = await fetch(`${operatorUrl()}${pathname}${search}`, {
      method: request.method,
      headers,
      body: request.body,
      // Without it fetch wants the whole body first.
      ...(request.body ? { duplex: "half" } : {}),
      redirect: "manual",
      cache: "no-store",
      signal: request.signal,
    } as RequestInit);
  } catch (error) {
    if (request.signal.aborted) return new Response(null, { status: 499 });
    return unreachable(pathname, requestId, error);
  }

  const out = new Headers();
  for (const [name, value] of answer.headers) if (!dropped.includes(name)) out.append(name, value);
  out.set("x-request-id", answer.headers.get("x-request-id") ?? requestId);
  // `no-transform` keeps compression, which would gather events until it has a block, away from the stream.
  out.set("cache-control", "no-store, no-transform");
  if (out.get("content-type")?.startsWith("text/event-stream")) out.set("x-accel-buffering", "no");
  return new Response(answer.body, { status: answer.status, headers: out });
}

const sane = (id: string | null) => (id && /^[\w.:-]{8,128}$/.test(id) ? id : undefined);

export { forward as DELETE, forward as GET, forward as PATCH, forward as POST, forward as PUT };
