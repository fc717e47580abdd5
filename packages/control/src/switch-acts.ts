// Turning switches, and making and retiring those that an install has for applications of its own.

import { AppError } from "@signalbox/core/errors";
import { afterwards, type ChangeDeps, change, refusePast, type Why } from "./changes.ts";
import type { Document } from "./fold.ts";
import { needsSecondPerson } from "./protection.ts";
import { holding, type SwitchChange, type SwitchLayer } from "./settings.ts";

const glassHours = 4;
const glassReason = 15;

type How = {
  /** The same id is taken once. */
  id?: string;
  /** Past the second person, for a while, and to be looked at afterwards. */
  breakGlass?: boolean;
  /** The second person has been asked: checks that, at the moment of the act. */
  approved?: (document: Document) => void;
  kind?: string;
};

export async function setSwitch(
  deps: ChangeDeps,
  key: string,
  to: SwitchChange,
  why: Why,
  { id, breakGlass = false, approved, kind = "switch.set" }: How = {},
) {
  if (breakGlass) checkGlass(why);
  const done = await change(deps, {
    ...why,
    ...(id === undefined ? {} : { id }),
    kind,
    key,
    decide(document, nowMs) {
      refusePast(why.expiresAt, nowMs);
      refuseArchived(document, key);
      const current = document.switches[key];
      const position = positionOf(to, current?.salt ?? null);
      if (approved) approved(document);
      else if (!breakGlass && needsSecondPerson(document, key, position, nowMs)) throw secondPerson(key);
      return {
        before: current === undefined ? null : (holding<SwitchLayer>(current, nowMs) ?? null),
        after: {
          ...position,
          afterwards: afterwards<SwitchLayer>(current, why.expiresAt, nowMs),
          ...(breakGlass ? { breakGlass: true } : {}),
        },
      };
    },
  });
  return done!;
}

/** The salt stays: the same callers are met again when a share is set anew. */
export const positionOf = (to: SwitchChange, salt: string | null) => ({
  state: to.state,
  share: to.share ?? 100,
  targets: to.targets ?? [],
  instead: to.instead ?? ("refuse" as const),
  message: to.message ?? "",
  salt,
});

function checkGlass({ reason, expiresAt }: Why): void {
  const wrong = (field: string, message: string) =>
    new AppError("invalid", `${field}: ${message}`, { errors: [{ field, message }] });
  if (reason.length < glassReason)
    throw wrong("reason", `breaking the glass needs a reason of ${glassReason} characters or more`);
  if (!expiresAt || expiresAt.getTime() > Date.now() + glassHours * 3_600_000)
    throw wrong("expiresAt", `breaking the glass needs an end, ${glassHours} hours from now at the latest`);
}

const secondPerson = (key: string) =>
  new AppError(
    "forbidden",
    `${key} is protected: letting more callers through needs a second operator. Propose it (POST /operator/v1/proposals), or break the glass (breakGlass, with an end)`,
  );

export const isArchived = ({ archived }: Pick<Document, "archived">, key: string): boolean =>
  archived?.[key] !== undefined;

export function refuseArchived(document: Document, key: string): void {
  if (isArchived(document, key))
    throw new AppError("conflict", `${key} was archived, and an archived key is never used again`);
}

/** Draws anew which callers a share meets. */
export async function redrawSwitch(deps: ChangeDeps, key: string, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "switch.redrawn",
    key,
    decide(document, nowMs) {
      refuseArchived(document, key);
      const current = document.switches[key];
      const layer = current && holding<SwitchLayer>(current, nowMs);
      if (!layer || layer.share === 100)
        throw new AppError("conflict", `${key} meets no share of its callers that could be drawn anew`);
      const {
        revision: _,
        reason: _r,
        incident: _i,
        changedAt: _a,
        changedBy: _b,
        act: _c,
        expiresAt: _e,
        ...kept
      } = layer;
      const next = { ...kept, salt: `${key}:${layer.revision}` };
      if (needsSecondPerson(document, key, next, nowMs)) throw secondPerson(key);
      return { before: layer, after: { ...next, afterwards: [] } };
    },
  });
  return done!;
}

export async function createSwitch(
  deps: ChangeDeps,
  key: string,
  { title, tags, taken }: { title: string; tags: string[]; taken: (key: string) => boolean },
  why: Why,
) {
  const done = await change(deps, {
    ...why,
    kind: "own.set",
    key,
    decide(document) {
      refuseArchived(document, key);
      if (taken(key))
        throw new AppError(
          "conflict",
          `${key} belongs to the platform; take a first word that no module has`,
        );
      return { before: document.own?.[key] ?? null, after: { title, tags } };
    },
  });
  return done!;
}

/** Nothing is evaluated under an archived key any more, and nobody can take it for something else. */
export async function archiveSwitch(
  deps: ChangeDeps,
  key: string,
  { inUse }: { inUse: (key: string) => boolean },
  why: Why,
) {
  const done = await change(deps, {
    ...why,
    kind: "archive.set",
    key,
    decide(document, nowMs) {
      refuseArchived(document, key);
      if (inUse(key))
        throw new AppError("conflict", `${key} is in use by this release and can not be archived`);
      const position = document.switches[key];
      if (position && needsSecondPerson(document, key, null, nowMs)) throw secondPerson(key);
      return { before: { own: document.own?.[key] ?? null, switch: position ?? null }, after: {} };
    },
  });
  return done!;
}
