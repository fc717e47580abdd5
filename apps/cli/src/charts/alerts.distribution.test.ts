import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { type Manifest, profiles, render } from "./render.ts";
import { requirePromtool, requireTool } from "./tools.ts";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "signalbox-alerts-"));
const rules = join(folder, "rules.json");
let promtool: string;
let alerts: { alert: string; annotations: Record<string, string> }[];

before(
  async () => {
    const say = (text: string) => console.error(text);
    promtool = await requirePromtool(say);
    const helm = await requireTool("helm", say);
    const manifests = await render(helm, { values: [profiles["production-small"]!] });
    const { spec } = manifests.find(({ kind }) => kind === "PrometheusRule") as Manifest & {
      spec: { groups: { rules: typeof alerts }[] };
    };
    alerts = spec.groups.flatMap((group) => group.rules);
    writeFileSync(rules, JSON.stringify(spec));
  },
  { timeout: 15 * 60_000 },
);
after(() => rmSync(folder, { recursive: true, force: true }));

const ours = `namespace="signalbox"`;
/** For each alert: what makes it fire within ten minutes, and what does not. */
const cases: Record<string, { fires: Record<string, string>; quiet: Record<string, string> }> = {
  SignalboxGatewayGone: {
    fires: { [`up{${ours},job="gateway"}`]: "0x20" },
    quiet: { [`up{${ours},job="gateway"}`]: "1x20" },
  },
  SignalboxErrors: {
    fires: {
      [`signalbox_calls_total{${ours}}`]: "0+600x20",
      [`signalbox_call_errors_total{${ours}}`]: "0+36x20",
    },
    quiet: {
      [`signalbox_calls_total{${ours}}`]: "0+600x20",
      [`signalbox_call_errors_total{${ours}}`]: "0+24x20",
    },
  },
  SignalboxRelayIdle: {
    fires: {
      [`signalbox_relay_active{${ours},pod="a"}`]: "0x20",
      [`signalbox_relay_active{${ours},pod="b"}`]: "0x20",
    },
    quiet: {
      [`signalbox_relay_active{${ours},pod="a"}`]: "1x20",
      [`signalbox_relay_active{${ours},pod="b"}`]: "0x20",
    },
  },
  SignalboxRelayBehind: {
    fires: { [`signalbox_relay_behind_bytes{${ours}}`]: "2000000000x20" },
    quiet: { [`signalbox_relay_behind_bytes{${ours}}`]: "1000000x20" },
  },
  SignalboxQueueOld: {
    fires: { [`signalbox_queue_oldest_seconds{${ours},queue="auth.mail.send"}`]: "400x20" },
    quiet: { [`signalbox_queue_oldest_seconds{${ours},queue="auth.mail.send"}`]: "20x20" },
  },
};

async function firing(series: Record<string, string>): Promise<Set<string>> {
  const file = join(folder, "test.json");
  const input_series = Object.entries(series).map(([name, values]) => ({ series: name, values }));
  const found = new Set<string>();
  for (const { alert } of alerts) {
    const test = {
      rule_files: [rules],
      tests: [
        {
          interval: "1m",
          input_series,
          alert_rule_test: [{ eval_time: "12m", alertname: alert, exp_alerts: [] }],
        },
      ],
    };
    writeFileSync(file, JSON.stringify(test));
    // Nothing is expected: what fires makes the test fail.
    await run(promtool, ["test", "rules", file]).catch(() => found.add(alert));
  }
  return found;
}

test("Prometheus reads the rules, and each has a case here", async () => {
  const { stdout } = await run(promtool, ["check", "rules", rules]);
  assert.match(stdout, /SUCCESS: 5 rules found/);
  assert.deepEqual(Object.keys(cases).sort(), alerts.map(({ alert }) => alert).sort());
  for (const { annotations } of alerts) assert.ok(annotations.summary && annotations.description);
});

for (const [alert, { fires, quiet }] of Object.entries(cases))
  test(`${alert} fires when it should, and not before`, async () => {
    assert.ok((await firing(fires)).has(alert));
    assert.ok(!(await firing(quiet)).has(alert));
  });
