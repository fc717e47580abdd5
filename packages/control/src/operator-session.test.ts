import assert from "node:assert/strict";
import { test } from "node:test";
import {
  mintOperatorSession,
  readSessionCookie,
  sessionCookieHeader,
  verifyOperatorSession,
} from "./operator-session.ts";
import { mintSignInToken } from "./sign-in.ts";

const secret = Buffer.from("a secret of this test, long enough");
const session = { id: "ann", name: "Ann", role: "admin", expiresAt: 1_000_000 } as const;

test("a session verifies until its end, by its own secret only", () => {
  const cookie = mintOperatorSession(secret, session);
  assert.deepEqual(verifyOperatorSession(secret, cookie, new Date(999_999)), session);
  assert.equal(verifyOperatorSession(secret, cookie, new Date(1_000_000)), undefined);
  assert.equal(verifyOperatorSession("another secret", cookie, new Date(0)), undefined);
});

test("a changed session, and a token made for another purpose, are refused", () => {
  const cookie = mintOperatorSession(secret, session);
  const [payload = "", signature] = cookie.slice(4).split(".");
  const bent = Buffer.from(payload, "base64url").toString().replace("ann", "eve");
  assert.equal(
    verifyOperatorSession(secret, `sbs_${Buffer.from(bent).toString("base64url")}.${signature}`),
    undefined,
  );
  const link = mintSignInToken(secret, { ttlMs: 60_000 });
  assert.equal(verifyOperatorSession(secret, link), undefined);
  assert.equal(verifyOperatorSession(secret, link.replace("sbl_", "sbs_")), undefined);
  for (const text of ["", "sbs_", "sbs_.", "sbs_a.b.c", "nonsense"])
    assert.equal(verifyOperatorSession(secret, text), undefined);
});

test("the cookie is closed to scripts and other sites", () => {
  assert.equal(
    sessionCookieHeader("v", 12_500, false),
    "sb_session=v; Path=/; HttpOnly; SameSite=Strict; Max-Age=12",
  );
  assert.match(sessionCookieHeader("v", 0, true), /^__Host-sb_session=v; Path=\/; .*Max-Age=0; Secure$/);
});

test("over https only the cookie that this host alone can set is read", () => {
  const sent = "theme=dark; sb_session=planted; __Host-sb_session=own";
  assert.equal(readSessionCookie(sent, true), "own");
  assert.equal(readSessionCookie("sb_session=planted", true), undefined);
  assert.equal(readSessionCookie("__Host-sb_session=own; sb_session=here", false), "here");
  assert.equal(readSessionCookie(undefined, false), undefined);
});
