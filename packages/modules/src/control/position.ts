// What a position of a switch may say, by what its key stands for: what could meet nobody is refused, and not kept as if it did.

import { consumerPrefix } from "@signalbox/control/settings";
import { AppError } from "@signalbox/core/errors";
import { callerAttributes } from "@signalbox/gateway/pipeline";
import type { Kind } from "../catalogue.ts";
import { catalogue } from "../index.ts";
import { type Narrowing, narrowings, type SetSwitch } from "./schema.ts";

type Position = Pick<SetSwitch, "share" | "targets" | "instead">;

export function checkPosition(key: string, position: Position): void {
  const kind = catalogue().kinds.get(key);
  checkWhole(key, kind, position);
  // What the platform does not know belongs to an application, which knows what it tells of its callers.
  if (kind === undefined) return;
  checkAttributes(key, kind, position);
  if (position.instead === "degrade") checkLess(key, kind);
}

const refuse = (field: string, message: string) =>
  new AppError("invalid", `${field}: ${message}`, { errors: [{ field, message }] });

/** What an off of this key may say beyond that it is off. */
export function narrowedBy(key: string): Narrowing[] {
  const kind = catalogue().kinds.get(key);
  if (isWhole(key, kind)) return [];
  return narrowings.filter((way) =>
    way === "targets"
      ? kind === undefined || knowsCallers(key, kind)
      : way !== "degrade" || kind === undefined || isLessened(key, kind),
  );
}

/** A consumer and a part know no callers: there is nobody to draw a share of, or to answer. */
const isWhole = (key: string, kind: Kind | undefined): boolean =>
  kind === "consumer" || kind === "dependency" || key === consumerPrefix.slice(0, -1);

function checkWhole(
  key: string,
  kind: Kind | undefined,
  { share = 100, targets = [], instead = "refuse" }: Position,
): void {
  if (!isWhole(key, kind)) return;
  const field =
    share !== 100 ? "share" : targets.length > 0 ? "targets" : instead === "refuse" ? undefined : "instead";
  if (field !== undefined) throw refuse(field, `${key} is off for everyone or for nobody`);
}

const withoutCallers = new Set(["tags.jobs", "tags.queues", "tags.optional"]);

const knowsCallers = (key: string, kind: Kind): boolean =>
  !(kind === "job" || kind === "queue" || kind === "optional" || withoutCallers.has(key));

function checkAttributes(key: string, kind: Kind, { targets = [] }: Position): void {
  if (targets.length === 0) return;
  if (!knowsCallers(key, kind))
    throw refuse("targets", `${key} knows whose it is and no more: give it a share, or aim at calls`);
  const at = targets.findIndex(({ attribute }) => !callerAttributes.includes(attribute));
  if (at >= 0)
    throw refuse(
      `targets.${at}.attribute`,
      `no call has ${targets[at]!.attribute}; calls have ${callerAttributes.join(", ")}`,
    );
}

/** Whether some answer behind this key has parts that it can do without. */
function isLessened(key: string, kind: Kind): boolean {
  const { lessened, tagsOf } = catalogue();
  const isAbove = (name: string) =>
    key === "*" ||
    name === key ||
    name.startsWith(`${key}.`) ||
    tagsOf(name).includes(key.slice("tags.".length));
  return kind === "optional" || key === "tags.optional" || lessened.some(isAbove);
}

function checkLess(key: string, kind: Kind): void {
  if (isLessened(key, kind)) return;
  throw refuse(
    "instead",
    `no answer of ${key} has parts that it can do without, so that degrade would stop nothing; those of ${catalogue().lessened.join(", ")} have`,
  );
}
