import assert from "node:assert/strict";
import { test } from "node:test";
import { networkOf } from "./network.ts";

test("an IPv4 address stands for itself, in either form", () => {
  assert.equal(networkOf("192.0.2.1"), "192.0.2.1");
  for (const same of ["::ffff:192.0.2.1", "::FFFF:192.0.2.1", "0:0:0:0:0:ffff:192.0.2.1", "::ffff:c000:201"])
    assert.equal(networkOf(same), "192.0.2.1", same);
});

test("IPv6 is counted by /64, however it is written", () => {
  const all = [
    "2001:db8:1:2::1",
    "2001:0db8:0001:0002:ffff:ffff:ffff:ffff",
    "2001:DB8:1:2:0:0:0:9",
    "2001:db8:1:2::%eth0",
  ];
  for (const address of all) assert.equal(networkOf(address), "2001:db8:1:2::/64", address);
  assert.notEqual(networkOf("2001:db8:1:3::1"), networkOf("2001:db8:1:2::1"));
  assert.equal(networkOf("::1"), "0:0:0:0::/64");
  assert.equal(networkOf("fe80::1%lo"), "fe80:0:0:0::/64");
});

test("what is no address stays as it is", () => {
  for (const text of ["", "unix:", "1:2", "g::1", "1::2::3", "::ffff:1.2.3"])
    assert.equal(networkOf(text), text);
});
