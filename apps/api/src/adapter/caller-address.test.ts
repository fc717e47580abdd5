import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { addressOf, trustProxies } from "./caller-address.ts";

const trust = trustProxies(["10.0.0.0/8", "192.168.1.1", "fd00::/8", "::1"]);
const from = (remoteAddress: string, forwarded?: string) =>
  addressOf(
    {
      socket: { remoteAddress },
      headers: forwarded === undefined ? {} : { "x-forwarded-for": forwarded },
    } as unknown as IncomingMessage,
    trust,
  );

test("without trusted proxies the socket's address counts, whatever a header says", () => {
  assert.equal(from("203.0.113.5", "1.2.3.4"), "203.0.113.5");
  assert.equal(from("::ffff:203.0.113.5"), "203.0.113.5");
  assert.equal(from("192.168.1.2", "1.2.3.4"), "192.168.1.2");
});

test("behind trusted proxies the first address that none of them is counts", () => {
  assert.equal(from("10.1.2.3", "1.2.3.4"), "1.2.3.4");
  assert.equal(from("::ffff:10.1.2.3", "1.2.3.4"), "1.2.3.4");
  assert.equal(from("10.1.2.3", "6.6.6.6, 1.2.3.4, 192.168.1.1"), "1.2.3.4");
  assert.equal(from("::1", "2001:db8::7"), "2001:db8::7");
  assert.equal(from("10.1.2.3", "10.9.9.9"), "10.9.9.9");
});

test("ports are left out, and what is no address ends the list", () => {
  assert.equal(from("10.1.2.3", "1.2.3.4:5678"), "1.2.3.4");
  assert.equal(from("10.1.2.3", "[2001:db8::7]:443"), "2001:db8::7");
  assert.equal(from("10.1.2.3", "1.2.3.4, unknown"), "10.1.2.3");
  assert.equal(from("10.1.2.3", "1.2.3.4, <script>, 10.0.0.7"), "10.0.0.7");
  assert.equal(from("10.1.2.3", ""), "10.1.2.3");
});
