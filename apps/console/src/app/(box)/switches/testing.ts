// A switch as the list gives it, for tests.

import type { SwitchItem } from "@signalbox/modules/control/schema";

export const switchItem = (key: string, rest: Partial<SwitchItem> = {}): SwitchItem => ({
  key,
  kind: "procedure",
  tags: [],
  title: "",
  state: "on",
  share: 100,
  targets: [],
  instead: "refuse",
  message: "",
  reason: "",
  incident: null,
  expiresAt: null,
  narrowedBy: [],
  revision: 0,
  changedAt: null,
  changedBy: null,
  act: "",
  isProtected: false,
  isOverridden: false,
  lastOffAt: null,
  flags: [],
  effective: { state: "on", share: 100, by: null },
  ...rest,
});
