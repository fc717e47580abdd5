// Loaded before a process of the platform (NODE_OPTIONS=--import): a release of which a call can be made bad while it runs. The file
// that REGRESSION_FILE names says how: `{"errors": 0.5, "delayMs": 0}`; without it the release is as good as any.

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { appRouter } from "@signalbox/modules";

type Regression = { errors?: number; delayMs?: number };

const file = process.env.REGRESSION_FILE ?? "";
const name = process.env.REGRESSION_CALL ?? "users.profile.read";
let regression: Regression = {};

setInterval(() => {
  try {
    regression = JSON.parse(readFileSync(file, "utf8")) as Regression;
  } catch {
    regression = {};
  }
}, 100).unref();

type Resolve = (options: unknown) => unknown;
const procedures = appRouter._def.procedures as unknown as Record<string, { _def: { resolver: Resolve } }>;
const definition = procedures[name]!._def;
const { resolver } = definition;
definition.resolver = async (options) => {
  const { errors = 0, delayMs = 0 } = regression;
  if (delayMs > 0) await pause(delayMs);
  if (Math.random() < errors) throw new Error("this release has a fault");
  return resolver(options);
};
