// What a position of a switch may say, by what its key stands for: what could meet nobody is refused, and not kept as if it did.

import { consumerPrefix } from "@signalbox/control/settings";
import { AppError } from "@signalbox/core/errors";
import { callerAttributes } from "@signalbox/gateway/pipeline";
import type { Kind } from "../catalogue.ts";
import { catalogue } from "../index.ts";
import type { SetSwitch } from "./schema.ts";

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

/** A consumer and a part know no callers: there is nobody to draw a share of, or to answer. */
function checkWhole(
  key: string,
  kind: Kind | undefined,
  { share = 100, targets = [], instead = "refuse" }: Position,
): void {
  const isWhole = kind === "consumer" || kind === "dependency" || key === consumerPrefix.slice(0, -1);
  if (!isWhole) return;
  const field =
    share !== 100 ? "share" : targets.length > 0 ? "targets" : instead === "refuse" ? undefined : "instead";
  if (field !== undefined) throw refuse(field, `${key} is off for everyone or for nobody`);
}

const withoutCallers = new Set(["tags.jobs", "tags.queues", "tags.optional"]);

function checkAttributes(key: string, kind: Kind, { targets = [] }: Position): void {
  if (targets.length === 0) return;
  if (kind === "job" || kind === "queue" || kind === "optional" || withoutCallers.has(key))
    throw refuse("targets", `${key} knows whose it is and no more: give it a share, or aim at calls`);
  const at = targets.findIndex(({ attribute }) => !callerAttributes.includes(attribute));
  if (at >= 0)
    throw refuse(
      `targets.${at}.attribute`,
      `no call has ${targets[at]!.attribute}; calls have ${callerAttributes.join(", ")}`,
    );
}

function checkLess(key: string, kind: Kind): void {
  const { lessened, tagsOf } = catalogue();
  const isAbove = (name: string) =>
    key === "*" ||
    name === key ||
    name.startsWith(`${key}.`) ||
    tagsOf(name).includes(key.slice("tags.".length));
  if (kind === "optional" || key === "tags.optional" || lessened.some(isAbove)) return;
  throw refuse(
    "instead",
    `no answer of ${key} has parts that it can do without, so that degrade would stop nothing; those of ${lessened.join(", ")} have`,
  );
}
