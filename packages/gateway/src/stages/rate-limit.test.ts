import assert from "node:assert/strict";
import { test } from "node:test";
import type { Limit } from "@signalbox/control/evaluate";
import { fixedLive } from "@signalbox/control/live";
import type { SettingsInput } from "@signalbox/control/settings";
import type { Limiter } from "../limiter.ts";
import { awaited, testCall } from "../testing.ts";
import { rateLimit } from "./rate-limit.ts";

/** Answers what it is told to, and notes what was asked. */
function fakeLimiter(answers: Record<string, number> = {}) {
  const asked: string[] = [];
  const limiter: Limiter = {
    take({ key, value }: Limit, subject) {
      asked.push(`${key} ${subject}`);
      return answers[key] ?? value.burst - 1;
    },
    giveBack() {},
    size: 0,
    close: async () => {},
  };
  return { limiter, asked };
}

async function pass(settings: SettingsInput, answers: Record<string, number>, call = testCall()) {
  const { limiter, asked } = fakeLimiter(answers);
  const stage = awaited(rateLimit(fixedLive(settings), limiter, () => 0));
  const error = await stage(call, async () => undefined).catch((caught) => caught);
  return { error, asked, headers: call.headers };
}

const policyForm = /^"[\w.*-]+";q=\d+;w=\d+(, "[\w.*-]+";q=\d+;w=\d+)*$/;
const limitForm = /^"[\w.*-]+";r=\d+;t=\d+$/;

test("a user is counted by id and by address, a guest by address, and an operator not at all", async () => {
  assert.deepEqual((await pass({}, {})).asked, ["address 192.0.2.1", "user user-1"]);
  const guest = testCall({ caller: { kind: "guest", id: "192.0.2.1", address: "192.0.2.1" } });
  assert.deepEqual((await pass({}, {}, guest)).asked, ["address 192.0.2.1"]);
  const operator = testCall({ caller: { kind: "operator", id: "ann", address: "192.0.2.1" } });
  assert.deepEqual((await pass({}, {}, operator)).asked, []);
});

test("registering has a limit of its own by address; failed sign-ins are not for this stage", async () => {
  const caller = { kind: "guest", id: "192.0.2.1", address: "192.0.2.1" } as const;
  const register = await pass({}, {}, testCall({ name: "auth.account.register", caller }));
  assert.deepEqual(register.asked, ["address 192.0.2.1", "auth.account.register 192.0.2.1"]);
  const login = await pass({}, {}, testCall({ name: "auth.session.create", caller }));
  assert.deepEqual(login.asked, ["address 192.0.2.1"]);
});

test("a limit on a prefix counts all below it together", async () => {
  const { asked } = await pass({ limits: { feed: { rate: 5, burst: 10 } } }, {});
  assert.deepEqual(asked, ["address 192.0.2.1", "user user-1", "feed user-1"]);
});

test("the headers are the draft's structured fields, and show the limit that is nearest to its end", async () => {
  const { headers, error } = await pass({}, { user: 50, address: 4_000 });
  assert.equal(error, undefined);
  assert.equal(headers["RateLimit-Policy"], '"address";q=5000;w=5, "user";q=1000;w=5');
  assert.equal(headers.RateLimit, '"user";r=50;t=5');
  assert.match(headers["RateLimit-Policy"]!, policyForm);
  assert.match(headers.RateLimit!, limitForm);
});

test("slow limits are written in whole numbers", async () => {
  const { headers } = await pass(
    {
      limits: {
        feed: { rate: 0.5, burst: 3 },
        address: { rate: 10, burst: 10, perSeconds: 900, by: "address" },
      },
    },
    {},
  );
  assert.equal(headers["RateLimit-Policy"], '"address";q=10;w=900, "user";q=1000;w=5, "feed";q=3;w=6');
  assert.match(headers["RateLimit-Policy"]!, policyForm);
});

test("a refusal says when to come back, in the error and in the header", async () => {
  const { error, headers } = await pass({}, { user: -1_500, address: 10 });
  assert.deepEqual([error.code, error.status, error.retryAfterMs], ["rate_limited", 429, 1_500]);
  assert.equal(headers.RateLimit, '"user";r=0;t=2');
});
