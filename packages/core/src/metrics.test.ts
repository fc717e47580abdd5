import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { createLogger } from "./log.ts";
import { createMetrics, exposition, gauge } from "./metrics.ts";
import { connectRedis } from "./redis.ts";
import { createSignals } from "./signals/signals.ts";

const instance = { id: "api-1", name: "api", version: "1.0.0", track: "stable", zone: "local" } as const;

/** The grammar of the text format, as strictly as Prometheus reads it. */
function parse(text: string) {
  assert.ok(text.endsWith("\n"));
  const types = new Map<string, string>();
  const series = new Map<string, number>();
  for (const line of text.slice(0, -1).split("\n")) {
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram)$/.exec(line);
    if (type) {
      assert.ok(!types.has(type[1]!), `${type[1]} is declared twice`);
      types.set(type[1]!, type[2]!);
      continue;
    }
    if (/^# HELP [a-zA-Z_:][\w:]* .+$/.test(line)) continue;
    const sample = /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$/.exec(line);
    assert.ok(sample, `not a sample: ${line}`);
    const [, name = "", labels = "", value] = sample;
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "");
    assert.ok(types.has(family), `${name} has no type`);
    assert.ok(!series.has(name + labels), `${name}${labels} is there twice`);
    series.set(name + labels, value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value));
    assert.ok(!Number.isNaN(series.get(name + labels)));
  }
  return series;
}

function sampleText(): string {
  const redis = connectRedis("redis://127.0.0.1:1", { lazyConnect: true });
  const signals = createSignals({ redis, log: createLogger({ name: "test", level: "silent" }), instance });
  for (let n = 1; n <= 100; n++)
    signals.record("feed.post.create", "feed", "stable", n, n > 98 ? "error" : "ok");
  for (let n = 0; n < 7; n++) signals.record("feed.post.create", "feed", "stable", 0.1, "refused");
  signals.record("users.profile.read", "users", "canary", 2, "ok");
  signals.watchPool(() => ({ size: 10, inUse: 3, waiting: 1 }));
  const metrics = createMetrics({ signals, instance, redis });
  metrics.add(() => [gauge("signalbox_test", 'a "help"\nin lines', 1, { odd: 'a"b\\c\nd' })]);
  return metrics.text();
}

test("the text is what Prometheus reads, and says what was counted", () => {
  const series = parse(sampleText());
  const labels = '{endpoint="feed.post.create",service="feed",track="stable"}';
  assert.equal(series.get(`signalbox_calls_total${labels}`), 107);
  assert.equal(series.get(`signalbox_call_errors_total${labels}`), 2);
  assert.equal(series.get(`signalbox_call_refusals_total${labels}`), 7);
  assert.equal(series.get(`signalbox_call_duration_seconds_count${labels}`), 100);
  assert.ok(Math.abs(series.get(`signalbox_call_duration_seconds_sum${labels}`)! - 5.05) < 1e-9);
  const bucket = (le: string) =>
    series.get(
      `signalbox_call_duration_seconds_bucket{endpoint="feed.post.create",service="feed",track="stable",le="${le}"}`,
    )!;
  assert.ok(Math.abs(bucket("0.05") - 50) <= 1);
  assert.equal(bucket("+Inf"), 100);
  let last = 0;
  for (const le of ["0.001", "0.01", "0.1", "1", "30", "+Inf"]) {
    assert.ok(bucket(le) >= last);
    last = bucket(le);
  }
  assert.equal(series.get("signalbox_pool_in_use"), 3);
  assert.equal(series.get("signalbox_redis_up"), 0);
});

test("a family without samples is not mentioned", () => {
  assert.equal(exposition([{ name: "a", help: "b", type: "counter", samples: [] }]), "");
});

const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
test("promtool finds nothing wrong", { skip: hasPromtool ? false : "promtool is not installed" }, () => {
  const { status, stderr } = spawnSync("promtool", ["check", "metrics"], {
    input: sampleText(),
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
});
