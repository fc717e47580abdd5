// The chart under test: the tools that render and check it, and what a test asks of a render.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { type PodOwner, podsOf } from "./lints.ts";
import { type Manifest, type RenderOptions, render } from "./render.ts";
import { requireTool } from "./tools.ts";

export let helm: string;
export let helm3: string;
export let kubeconform: string;
export const scratch = mkdtempSync(join(tmpdir(), "signalbox-charts-"));

before(
  async () => {
    const say = (text: string) => console.error(text);
    helm = await requireTool("helm", say);
    helm3 = await requireTool("helm 3", say);
    kubeconform = await requireTool("kubeconform", say);
  },
  { timeout: 25 * 60_000 },
);
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The least that an install must say. */
export const least = {
  "database.host": "postgres",
  "database.password.existingSecret": "database",
  "redis.host": "valkey",
};
export const rendered = (set: Record<string, unknown> = {}, more: RenderOptions = {}) =>
  render(helm, { set: { ...least, ...set }, ...more });
export const one = (manifests: Manifest[], kind: string, name: string): Manifest => {
  const found = manifests.find(
    (each) => each.kind === kind && each.metadata.name === `demo-signalbox-${name}`,
  );
  assert.ok(found, `${kind} ${name} is there`);
  return found;
};
export const has = (manifests: Manifest[], kind: string, name?: string) =>
  manifests.some((each) => each.kind === kind && (!name || each.metadata.name === `demo-signalbox-${name}`));
export const podOf = (manifests: Manifest[], name: string): PodOwner =>
  podsOf(manifests).find(({ manifest }) => manifest.metadata.name === `demo-signalbox-${name}`)!;
type Variable = { name: string; value?: string; valueFrom?: unknown };
export const variables = ({ pod }: PodOwner) =>
  Object.fromEntries(
    (pod.containers[0]!.env as Variable[]).map((each) => [each.name, each.value ?? each.valueFrom]),
  );

export async function refusal(set: Record<string, unknown>, more: RenderOptions = {}): Promise<string> {
  try {
    await rendered(set, more);
  } catch (error) {
    return (error as { stderr: string }).stderr;
  }
  return assert.fail(`${JSON.stringify(set)} was not refused`);
}
