// The one list of what the modules announce, and the page that describes it.

import { z } from "zod";
import * as auth from "../auth/events.ts";
import type { EventType } from "../ctx.ts";
import * as feed from "../feed/events.ts";
import { jobs } from "../index.ts";
import * as personal from "../personal/events.ts";
import * as users from "../users/events.ts";

const modules: Record<string, object> = { auth, feed, personal, users };

export const events: { module: string; event: EventType }[] = Object.entries(modules).flatMap(
  ([module, announced]) => Object.values(announced).map((event: EventType) => ({ module, event })),
);

/** docs/events.md as the code has it. */
export function eventsPage(): string {
  const sections = events.map(({ module, event: { name, version, schema, upgrades } }) => {
    const heard = jobs.filter(({ event }) => event.name === name).map((job) => `\`${job.name}\``);
    const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: "output" }) as Shape;
    const older = Object.keys(upgrades);
    return [
      `## ${name}`,
      "",
      `Version ${version}, announced by ${module}.${older.length ? ` Versions ${older.join(", ")} are still read.` : ""}`,
      heard.length ? `Heard by ${[...new Set(heard)].join(", ")}.` : "Nobody listens yet.",
      "",
      "| field | type |",
      "|---|---|",
      ...Object.entries(properties).map(
        ([field, shape]) => `| \`${field}\`${required.includes(field) ? "" : "?"} | ${typeText(shape)} |`,
      ),
      "",
    ].join("\n");
  });
  return [intro, ...sections].join("\n");
}

type Schema = { type?: string; enum?: unknown[]; items?: Schema; anyOf?: Schema[] };
type Shape = { properties?: Record<string, Schema>; required?: string[] };

function typeText({ type, enum: values, items, anyOf }: Schema): string {
  if (values) return values.map((value) => `\`${JSON.stringify(value)}\``).join(" or ");
  if (anyOf) return anyOf.map(typeText).join(" or ");
  if (items) return `list of ${typeText(items)}`;
  return type ?? "anything";
}

const intro = `# Events

What the modules announce. Each event is written in the transaction that made it true and reaches every listener at least
once, in order for each user: \`userId\` is its key. A listener that fails is tried again; after its last attempt the event is a
dead letter, later events of that user wait behind it, and everyone else's go on (\`./signalbox deadletters list\`).

A change that an old listener could not read is a new version with an upgrade from the one before. This page is made from
the schemas by a test; \`UPDATE_DOCS=1 ./signalbox test unit backbone\` writes it anew.
`;
