// Takes one act back: its key is again what it was before, unless somebody has changed it since.

import { AppError } from "@signalbox/core/errors";
import { type ChangeDeps, change, type Why } from "./changes.ts";
import { type ControlEvent, type Section, sections } from "./fold.ts";
import { needsSecondPerson } from "./protection.ts";
import { switchSetting } from "./settings.ts";
import { refuseArchived } from "./switch-acts.ts";

const revertible: ReadonlySet<string> = new Set([
  ...["switch", "limit", "weight", "number", "cache_ttl", "shed", "zone", "dependency", "own", "freeze"],
]);

/** What stands in an event beside the value itself. */
const provenance = [
  "reason",
  "incident",
  "expiresAt",
  "revision",
  "changedAt",
  "changedBy",
  "act",
  "afterwards",
  "breakGlass",
];

type Before = { revision?: number; expiresAt?: string | null };

export async function revertAct(
  deps: ChangeDeps,
  revision: number,
  why: Why,
  { force = false }: { force?: boolean } = {},
) {
  const { controlLog } = deps;
  const [event] = await controlLog.read({ before: revision + 1, limit: 1 });
  if (event?.revision !== revision) throw new AppError("not_found", `the log has no act ${revision}`);
  const [section = ""] = event.kind.split(".");
  if (!revertible.has(section))
    throw new AppError("conflict", `${event.kind} changed no setting, and can not be taken back`);
  const { key } = event;
  const [newest] = await controlLog.read({ key, kind: section, limit: 1 });
  if (!force && newest!.revision !== revision) throw changedSince(event, newest!);

  const { field } = sections[section as Section];
  const before = event.before as Before | null;
  // The end of the earlier value may have come meanwhile: then it is over.
  const endsAt = before?.expiresAt ? new Date(before.expiresAt) : null;
  const isOver = endsAt !== null && endsAt.getTime() <= Date.now();
  // What was there by default has no revision.
  const value = before === null || before.revision === undefined || isOver ? null : savedValue(before);
  const seen = newest!.after === null ? 0 : newest!.revision;
  const done = await change(deps, {
    ...why,
    expiresAt: value === null ? null : endsAt,
    kind: `${section}.reverted`,
    key,
    decide(document, nowMs) {
      if (section === "switch" || section === "own") refuseArchived(document, key);
      const current = (document[field] as Record<string, Before> | undefined)?.[key];
      if (!force && (current?.revision ?? 0) !== seen)
        throw new AppError("conflict", `${key} was changed this very moment; look at it again`);
      if (section !== "switch") return { before: current ?? null, after: value };
      const after = value ?? restedSwitch(document.switches[key]?.salt ?? null);
      if (needsSecondPerson(document, key, after && switchSetting.parse(after), nowMs))
        throw new AppError(
          "forbidden",
          `${key} is protected: taking this back lets more callers through, which a second operator must approve`,
        );
      return { before: current ?? null, after };
    },
  });
  return done!;
}

const savedValue = (before: object) =>
  Object.fromEntries(Object.entries(before).filter(([name]) => !provenance.includes(name)));

/** As if nobody had ever touched it, but for the salt: the same callers are met again. `order` 0 overrules no broader key. */
const restedSwitch = (salt: string | null) => (salt === null ? null : { state: "on", salt, order: 0 });

const changedSince = ({ revision, key }: ControlEvent, newest: ControlEvent) =>
  new AppError(
    "conflict",
    `${key} was changed after act ${revision}: ${newest.actor.name} did ${newest.kind} (act ${newest.revision}). Revert that one, or force it`,
  );
