// What the log amounts to: each event sets one key to what it says, so the state at any revision is a fold of plain rows.

import type { z } from "zod";
import { bare } from "./bare.ts";
import {
  type ArchivedSetting,
  archivedSetting,
  type CacheSetting,
  type CanarySetting,
  type ControlActor,
  cacheSetting,
  canarySetting,
  type DependencySetting,
  dependencySetting,
  type FreezeSetting,
  freezeSetting,
  holding,
  type LimitSetting,
  limitSetting,
  type NumberSetting,
  numberSetting,
  type OwnSetting,
  ownSetting,
  type ProposalSetting,
  type ProtectionSetting,
  proposalSetting,
  protectionSetting,
  type ReviewSetting,
  reviewSetting,
  type ScheduleSetting,
  type Settings,
  type ShedSetting,
  type SwitchSetting,
  scheduleSetting,
  settingsSchema,
  shedSetting,
  switchSetting,
  type WeightSetting,
  weightSetting,
  type ZoneSetting,
  zoneSetting,
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
  /** What it was done for. */
  incident: string | null;
  expiresAt: Date | null;
  requestId: string;
  previousHash: string;
  hash: string;
};

/** What was set, as kept: the document without the defaults, which are the reading program's own. */
export type Document = {
  switches: Record<string, SwitchSetting>;
  limits: Record<string, LimitSetting>;
  weights?: Record<string, WeightSetting>;
  zones?: Record<string, ZoneSetting>;
  /** Absent in what a release wrote that did not know it. */
  caches?: Record<string, CacheSetting>;
  numbers?: Record<string, NumberSetting>;
  own?: Record<string, OwnSetting>;
  archived?: Record<string, ArchivedSetting>;
  protections?: Record<string, ProtectionSetting>;
  proposals?: Record<string, ProposalSetting>;
  reviews?: Record<string, ReviewSetting>;
  schedules?: Record<string, ScheduleSetting>;
  lastOff?: Record<string, string>;
  shed: Record<string, ShedSetting>;
  dependencies: Record<string, DependencySetting>;
  canaries?: Record<string, CanarySetting>;
  freezes?: Record<string, FreezeSetting>;
  [section: string]: unknown;
};

export const emptyDocument: Document = {
  switches: bare({}),
  limits: bare({}),
  shed: bare({}),
  dependencies: bare({}),
};

/** What the first word of an event's kind stands for: where in the document its keys are, and what a value of them is. */
export const sections = {
  switch: { field: "switches", schema: switchSetting },
  limit: { field: "limits", schema: limitSetting },
  weight: { field: "weights", schema: weightSetting },
  number: { field: "numbers", schema: numberSetting },
  cache_ttl: { field: "caches", schema: cacheSetting },
  shed: { field: "shed", schema: shedSetting },
  zone: { field: "zones", schema: zoneSetting },
  dependency: { field: "dependencies", schema: dependencySetting },
  canary: { field: "canaries", schema: canarySetting },
  freeze: { field: "freezes", schema: freezeSetting },
  own: { field: "own", schema: ownSetting },
  archive: { field: "archived", schema: archivedSetting },
  protection: { field: "protections", schema: protectionSetting },
  proposal: { field: "proposals", schema: proposalSetting },
  review: { field: "reviews", schema: reviewSetting },
  schedule: { field: "schedules", schema: scheduleSetting },
} as const satisfies Record<string, { field: keyof Settings; schema: z.ZodType }>;

export type Section = keyof typeof sections;

/** The document with one more event in it. Kinds that this version does not know change nothing. */
export function applyEvent(document: Document, event: ControlEvent): Document {
  const [section = "", act = "set"] = event.kind.split(".");
  if (!Object.hasOwn(sections, section)) return document;
  const { field, schema } = sections[section as Section];
  const value = event.after as Record<string, unknown> | null;
  const provenance = {
    reason: event.reason,
    ...(event.incident ? { incident: event.incident } : {}),
    expiresAt: event.expiresAt?.toISOString() ?? null,
    revision: event.revision,
    changedAt: event.at.toISOString(),
    changedBy: event.actor,
    act,
  };
  const setting = value && schema.parse({ order: event.revision, ...value, ...provenance });
  const folded = { ...document, [field]: withKey<unknown>(document[field] ?? {}, event.key, setting) };
  return section === "switch" ? withTraces(folded, event, value) : folded;
}

const reviewWithinMs = 24 * 3_600_000;

/** What a turned switch leaves behind it: when it was last off, and the review that a broken glass asks for. */
function withTraces(
  document: Document,
  event: ControlEvent,
  value: Record<string, unknown> | null,
): Document {
  const at = event.at.toISOString();
  const lastOff = value?.state === "off" ? { lastOff: bare({ ...document.lastOff, [event.key]: at }) } : {};
  if (value?.breakGlass !== true) return { ...document, ...lastOff };
  const review = reviewSetting.parse({
    key: event.key,
    dueAt: new Date(event.at.getTime() + reviewWithinMs).toISOString(),
    reason: event.reason,
    revision: event.revision,
    changedAt: at,
    changedBy: event.actor,
  });
  return { ...document, ...lastOff, reviews: bare({ ...document.reviews, [event.revision]: review }) };
}

function withKey<Value>(record: Record<string, Value>, key: string, value: Value | null) {
  const changed = bare(record);
  // The newest comes last.
  delete changed[key];
  if (value !== null) changed[key] = value;
  return changed;
}

export const toSettings = (document: unknown): Settings => settingsSchema.parse(document);

type Layered = { expiresAt: string | null; afterwards: { expiresAt: string | null }[] };

/** The settings as calls met them at an instant: what had expired by then is gone, whether or not the log said so yet. */
export function settingsAt(document: Document, nowMs: number): Settings {
  const held = (record: Record<string, Layered> = {}) =>
    Object.fromEntries(
      Object.entries(record).flatMap(([key, setting]) => {
        const layer = holding<{ expiresAt: string | null }>(setting, nowMs);
        return layer === undefined ? [] : [[key, { ...layer, afterwards: [] }]];
      }),
    );
  const fields = Object.values(sections).map(({ field }) => [field, held(document[field])]);
  return toSettings({ ...document, ...Object.fromEntries(fields) });
}
