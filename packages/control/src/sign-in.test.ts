import assert from "node:assert/strict";
import { test } from "node:test";
import { mintSignInToken, verifySignInToken } from "./sign-in.ts";

const secret = "a secret of at least thirty-two characters";

test("a minted token verifies with the same secret", () => {
  const token = mintSignInToken(secret, { ttlMs: 1000 });
  assert.match(token, /^sbl_[\w-]+\.[\w-]{43}$/);
  assert.equal(verifySignInToken(secret, token)?.role, "admin");
});

test("an expired token is refused", () => {
  const token = mintSignInToken(secret, { ttlMs: 1000, now: 0 });
  assert.equal(verifySignInToken(secret, token, 999)?.exp, 1000);
  assert.equal(verifySignInToken(secret, token, 1000), undefined);
});

test("a token of another secret, a changed one and nonsense are refused", () => {
  const token = mintSignInToken("another secret, also long enough to count", { ttlMs: 1000 });
  assert.equal(verifySignInToken(secret, token), undefined);
  assert.equal(verifySignInToken(secret, `${mintSignInToken(secret, { ttlMs: 1000 })}x`), undefined);
  for (const nonsense of ["", "sbl_", "sbl_.", "sbl_e30.", "x.y.z"])
    assert.equal(verifySignInToken(secret, nonsense), undefined);
});

test("two tokens have different ids", () => {
  const ids = [1, 2].map(() => verifySignInToken(secret, mintSignInToken(secret, { ttlMs: 1000 }))?.jti);
  assert.notEqual(ids[0], ids[1]);
});
