// Before any page: who has no session goes to sign in, and every document gets its headers.

import { type NextRequest, NextResponse } from "next/server";

const development = process.env.NODE_ENV === "development";

export function proxy(request: NextRequest) {
  const { pathname, search } = request.nextUrl;
  // The first over https, the second on a laptop; whether it is good, the operator API says.
  const hasSession = request.cookies.has("__Host-sb_session") || request.cookies.has("sb_session");
  if (pathname !== "/sign-in" && !hasSession) {
    const to = request.nextUrl.clone();
    to.pathname = "/sign-in";
    const next = pathname === "/" && search === "" ? "" : pathname + search;
    to.search = next && `?next=${encodeURIComponent(next)}`;
    // Next sends it as a path, so behind a proxy it does not matter by which name this process was called.
    const answer = NextResponse.redirect(to);
    // The link of the command line carries no `next`; this remembers it for as long as fetching a link takes.
    if (next)
      answer.cookies.set("sb_next", pathname + search, { httpOnly: true, sameSite: "lax", maxAge: 900 });
    return answer;
  }

  const nonce = crypto.randomUUID().replaceAll("-", "");
  const policy = [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${development ? " 'unsafe-eval'" : ""}`,
    `style-src 'self' ${development ? "'unsafe-inline'" : `'nonce-${nonce}'`}`,
    // Widths and heights that a component works out are style attributes.
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");

  const headers = new Headers(request.headers);
  // Next puts the nonce that it finds here on its own scripts.
  headers.set("content-security-policy", policy);
  headers.set("x-path", pathname + search);
  const answer = NextResponse.next({ request: { headers } });
  answer.headers.set("content-security-policy", policy);
  answer.headers.set("cache-control", "no-store");
  answer.headers.set("x-content-type-options", "nosniff");
  answer.headers.set("x-frame-options", "DENY");
  answer.headers.set("referrer-policy", "same-origin");
  answer.headers.set("cross-origin-opener-policy", "same-origin");
  answer.headers.set("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()");
  return answer;
}

export const config = { matcher: ["/((?!_next/static|operator/|icon\\.svg).*)"] };
