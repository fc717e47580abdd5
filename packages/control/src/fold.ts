// What the log amounts to: each event sets one key to what it says, so the state at any revision is a fold of plain rows.

import {
  type CacheLayer,
  type CacheSetting,
  type ControlActor,
  cacheSetting,
  holding,
  type LimitLayer,
  type LimitSetting,
  limitSetting,
  type Settings,
  type SwitchLayer,
  type SwitchSetting,
  settingsSchema,
  switchSetting,
} from "./settings.ts";

export type ControlEvent = {
  revision: number;
  id: string;
  at: Date;
  actor: ControlActor;
  kind: string;
  key: string;
  before: unknown;
  /** The whole new value of the key; null: back to what it is by default. */
  after: unknown;
  reason: string;
  expiresAt: Date | null;
  requestId: string;
  previousHash: string;
  hash: string;
};

/** What was set, as kept: the document without the defaults, which are the reading program's own. */
export type Document = {
  switches: Record<string, SwitchSetting>;
  limits: Record<string, LimitSetting>;
  /** Absent in what a release wrote that did not know it. */
  caches?: Record<string, CacheSetting>;
  [section: string]: unknown;
};

export const emptyDocument: Document = { switches: {}, limits: {} };

/** The document with one more event in it. Kinds that this version does not know change nothing. */
export function applyEvent(document: Document, event: ControlEvent): Document {
  const [section] = event.kind.split(".");
  const value = event.after as Record<string, unknown> | null;
  const provenance = {
    reason: event.reason,
    expiresAt: event.expiresAt?.toISOString() ?? null,
    revision: event.revision,
    changedAt: event.at.toISOString(),
    changedBy: event.actor,
  };
  if (section === "switch")
    return {
      ...document,
      switches: withKey(
        document.switches,
        event.key,
        value && switchSetting.parse({ order: event.revision, ...value, ...provenance }),
      ),
    };
  if (section === "limit")
    return {
      ...document,
      limits: withKey(
        document.limits,
        event.key,
        value && limitSetting.parse({ order: event.revision, ...value, ...provenance }),
      ),
    };
  if (section === "cache_ttl")
    return {
      ...document,
      caches: withKey(
        document.caches ?? {},
        event.key,
        value && cacheSetting.parse({ order: event.revision, ...value, ...provenance }),
      ),
    };
  return document;
}

function withKey<Value>(record: Record<string, Value>, key: string, value: Value | null) {
  const { [key]: _replaced, ...rest } = record;
  return value === null ? rest : { ...rest, [key]: value };
}

export const toSettings = (document: unknown): Settings => settingsSchema.parse(document);

/** The settings as calls met them at an instant: what had expired by then is gone, whether or not the log said so yet. */
export function settingsAt(document: Document, nowMs: number): Settings {
  const held = <Layer extends { expiresAt: string | null }>(
    record: Record<string, Layer & { afterwards: Layer[] }>,
  ) =>
    Object.fromEntries(
      Object.entries(record).flatMap(([key, setting]) => {
        const layer = holding<Layer>(setting, nowMs);
        return layer === undefined ? [] : [[key, { ...layer, afterwards: [] }]];
      }),
    );
  return toSettings({
    ...document,
    switches: held<SwitchLayer>(document.switches),
    limits: held<LimitLayer>(document.limits),
    caches: held<CacheLayer>(document.caches ?? {}),
  });
}
