// What all settings have in common: the keys that they stand under, who decided them and why, and until when they hold.

import { z } from "zod";

/** `feed.post.create`, a prefix of it that stands for all below, or `*`. */
export const settingKey = z
  .string()
  .max(200)
  .regex(/^(\*|[a-zA-Z][\w-]*(\.[\w-]+)*)$/, "must look like feed.post.create, a prefix of it, or *");

/** Postgres and the hash chain take neither NUL nor half of a character. */
const plainText = z
  .string()
  .refine((text) => !text.includes("\0") && text.isWellFormed(), "must be plain Unicode text without NUL");

export const reasonText = plainText.min(1).max(500);
export const messageText = plainText.max(500);
/** Why somebody acts, as every act of an operator says it. */
export const whyShape = {
  reason: reasonText,
  incident: plainText.trim().min(1).max(100).optional().describe("what it is done for, such as INC-42"),
};

export const instant = z.iso.datetime({ offset: true });

export const actor = z.object({ kind: z.string(), id: z.string(), name: z.string() });

/** Who decided a value, why, and until when it holds. */
export const provenance = {
  reason: z.string().default(""),
  incident: z.string().nullable().default(null),
  /** Past this instant the value is as if it had been taken back; every process sees to that by its own clock. */
  expiresAt: instant.nullable().default(null),
  /** The event that last touched this key. */
  revision: z.number().int().min(0).default(0),
  /** The event that decided this value: a revert brings back an old value together with its age. */
  order: z.number().int().min(0).default(0),
  changedAt: instant.nullable().default(null),
  changedBy: actor.nullable().default(null),
  /** What was done: the second word of the event's kind, such as set, expired or conflict. */
  act: z.string().default("set"),
};

/** Tags stand beside modules: `tags.optional` is everything that an answer can do without. */
export const tagPrefix = "tags.";
/** A consumer of the bus is a module's; it stops where it is. A part that processes ask is refused to all callers. */
export const consumerPrefix = "consumers.";
export const dependencyPrefix = "dependencies.";
/** Of what there are several, such as copies of the database, one switch stands for all. */
export const partSwitch = (name: string): string => dependencyPrefix + name.replace(/-\d+$/, "");

/** What is kept by key without an end of its own. */
export const kept = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.object({ ...shape, ...provenance }).extend({ afterwards: z.array(z.never()).default([]) });

/** The names under which `feed.post.create` may be set, most exact first. */
export function pathOf(name: string): string[] {
  const path: string[] = [];
  for (let at = name; at !== ""; at = at.slice(0, Math.max(at.lastIndexOf("."), 0))) path.push(at);
  if (name !== "*") path.push("*");
  return path;
}

/** The value that holds at an instant, or undefined where all of them have expired. */
export function holding<Layer extends { expiresAt: string | null }>(
  setting: Layer & { afterwards: Layer[] },
  nowMs: number,
): Layer | undefined {
  if (!expired(setting, nowMs)) return setting;
  return setting.afterwards.find((layer) => !expired(layer, nowMs));
}

export const expired = ({ expiresAt }: { expiresAt: string | null }, nowMs: number): boolean =>
  expiresAt !== null && Date.parse(expiresAt) <= nowMs;

export type ControlActor = z.output<typeof actor>;
