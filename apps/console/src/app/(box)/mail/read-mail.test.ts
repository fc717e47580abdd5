import assert from "node:assert/strict";
import { test } from "node:test";
import { readMail } from "./read-mail.ts";

const token = "AZxN_7aBcd-0123456789abcdef.ghijklmnop";

test("a token on a line of its own can be copied, alone or as the call that takes it", () => {
  const door = "http://127.0.0.1:8080/v1/auth/email/verify";
  const mail = readMail(`Confirm with this token, at ${door}:\n\n${token}\n\nIt works once.`);
  assert.equal(mail.token, token);
  assert.equal(mail.command, `curl --json '{"token":"${token}"}' ${door}`);
  assert.deepEqual(
    mail.parts.map(({ kind }) => kind),
    ["text", "token", "text"],
  );
});

test("an address that a browser can open is a link, and the text stays whole", () => {
  const text = "Look at https://example.com/welcome?x=1. Then rest.";
  const mail = readMail(text);
  assert.deepEqual(mail.parts[1], { kind: "link", text: "https://example.com/welcome?x=1" });
  assert.equal(mail.parts.map((part) => part.text).join(""), text);
  assert.equal(mail.token, null);
});

test("a mail of words alone has nothing to copy", () => {
  assert.deepEqual(readMail("Your password was changed."), {
    parts: [{ kind: "text", text: "Your password was changed." }],
    token: null,
    command: null,
  });
});
