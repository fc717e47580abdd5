// The switches that an application may ask for, evaluated for one caller or handed over as rules.

import type { Rules } from "@signalbox/control/evaluate";
import { pathOf, type SwitchLayer, tagPrefix } from "@signalbox/control/settings";
import type { Attributes } from "@signalbox/control/targets";
import { AppError } from "@signalbox/core/errors";
import type { z } from "zod";
import { isAllowed } from "../auth/applications.ts";
import type { Catalogue } from "../catalogue.ts";
import type { Ctx } from "../ctx.ts";
import type { FlagList, ForWhom, RuleBook } from "./schema.ts";
import { streamPath } from "./stream.ts";

export type Asker = NonNullable<Ctx["application"]>;

export function requireApplication({ application }: Ctx): Asker {
  if (application) return application;
  throw new AppError("unauthorized", "this needs an application's key in X-Api-Key");
}

type Visible = { settings: Rules["settings"]; byScopes: Map<string, readonly string[]> };
let visible: Visible | undefined;

/** What the scopes of an application name, of the platform's keys and of the install's own. */
export function keysFor({ kinds }: Catalogue, { settings }: Rules, { scopes }: Asker): readonly string[] {
  if (visible?.settings !== settings) visible = { settings, byScopes: new Map() };
  const name = scopes.join(" ");
  let keys = visible.byScopes.get(name);
  if (!keys) {
    const platform = [...kinds].flatMap(([key, kind]) =>
      // The door through which they ask is not what they ask about.
      (kind === "procedure" || kind === "job" || kind === "optional") && !key.startsWith("switches.")
        ? [key]
        : [],
    );
    keys = [...platform, ...Object.keys(settings.own)]
      .filter((key) => isAllowed({ scopes }, key) && !Object.hasOwn(settings.archived, key))
      .sort();
    visible.byScopes.set(name, keys);
  }
  return keys;
}

/** What is known of a caller by its token and its headers, and not by what it says of itself in a body. */
const attributesOf = ({ actor, region, appVersion, application }: Ctx): Attributes => ({
  ...(actor.kind === "user" ? { user: actor.id, role: actor.role ?? "user" } : { role: actor.kind }),
  ...{ kind: actor.kind, region, appVersion, application: application?.id },
});

export function listFlags(
  ctx: Ctx,
  catalogue: Catalogue,
  { unit }: z.infer<typeof ForWhom>,
): z.infer<typeof FlagList> {
  const rules = ctx.live.rules();
  const keys = keysFor(catalogue, rules, requireApplication(ctx));
  const nowMs = ctx.now().getTime();
  const whom = ctx.actor.kind === "user" ? ctx.actor.id : (unit ?? ctx.address);
  const attributes = attributesOf(ctx);
  const items = keys.map((key) => {
    const { on, message } = rules.decide(key, whom, nowMs, attributes);
    return { key, on, message };
  });
  return { items, nextCursor: null };
}

/** For an application's server, which then decides by itself, whatever becomes of us. */
export function readRules(ctx: Ctx, catalogue: Catalogue): RuleBook {
  const application = requireApplication(ctx);
  const rules = ctx.live.rules();
  const { switches, own } = rules.settings;
  const keys = keysFor(catalogue, rules, application);
  const tags = Object.fromEntries(
    keys.flatMap((key) => {
      const all = [...new Set([...catalogue.tagsOf(key), ...(own[key]?.tags ?? [])])];
      return all.length > 0 ? [[key, all]] : [];
    }),
  );
  const wanted = new Set([
    ...keys.flatMap(pathOf),
    ...Object.values(tags)
      .flat()
      .flatMap((tag) => pathOf(tagPrefix + tag)),
  ]);
  const kept = Object.entries(switches).flatMap(([key, { afterwards, ...top }]) =>
    wanted.has(key) ? [[key, { ...bare(top), afterwards: afterwards.map(bare) }]] : [],
  );
  return {
    revision: ctx.live.revision,
    keys: [...keys],
    switches: Object.fromEntries(kept),
    tags,
    stream: streamPath(ctx.secret, application, ctx.now().getTime()),
  };
}

const bare = (layer: SwitchLayer) => ({
  ...layer,
  ...{ reason: "", revision: 0, changedAt: null, changedBy: null, act: "" },
});

/** Changes where an answer to this application may have changed. */
export function markOf(catalogue: Catalogue, rules: Rules, application: Asker): string {
  const keys = keysFor(catalogue, rules, application);
  const { switches } = rules.settings;
  const turned = Object.entries(switches).map(([key, { revision, order }]) => `${key} ${revision} ${order}`);
  return `${turned.sort().join("\n")}\n\n${keys.join("\n")}`;
}
