// A procedure's `.output()` becomes a serialiser that writes what the schema names and nothing else.

import fastJson from "fast-json-stringify";
import { z } from "zod";

export type Encode = (data: unknown) => string | undefined;
type Json = Record<string, unknown>;

export function compileOutput(schema: z.ZodType | undefined): Encode {
  if (!schema) return (data) => JSON.stringify(data);
  if (schema instanceof z.ZodVoid || schema instanceof z.ZodUndefined) return () => undefined;
  return keepFrozen(compilePage(schema) ?? compileWhole(schema));
}

/** A list is written item by item: those that were written before are laid in as they are. */
function compilePage(schema: z.ZodType): Encode | undefined {
  if (!(schema instanceof z.ZodObject) || !(schema.shape.items instanceof z.ZodArray)) return undefined;
  const { items: list, ...others } = schema.shape;
  const encodeItems = keepLists(compileOutput(list.element as z.ZodType));
  const encodeRest = compileWhole(z.object(others));
  return (data) => {
    const { items } = data as { items: unknown[] };
    const rest = encodeRest(data)!;
    return `{"items":[${encodeItems(items)}]${rest === "{}" ? "" : ","}${rest.slice(1)}`;
  };
}

/** Whoever reads the same list is given the same items, as long as nothing in it changes: its text is kept with the first of them. */
function keepLists(encode: Encode): (items: unknown[]) => string {
  const lists = new WeakMap<object, { items: unknown[]; text: string }>();
  return (items) => {
    const [first] = items;
    if (!isFrozen(first)) return items.map(encode).join(",");
    const kept = lists.get(first);
    if (kept?.items.length === items.length && items.every((item, at) => item === kept.items[at]))
      return kept.text;
    const text = items.map(encode).join(",");
    if (items.every(isFrozen)) lists.set(first, { items: [...items], text });
    return text;
  };
}

const isFrozen = (data: unknown): data is object =>
  typeof data === "object" && data !== null && Object.isFrozen(data);

function compileWhole(schema: z.ZodType): Encode {
  // A schema that changes or chooses (transform, default, union) must run; the rest only names fields.
  const plan = { runs: false };
  let shape: Json;
  try {
    shape = toSerialiserSchema(
      z.toJSONSchema(schema, {
        io: "output",
        target: "draft-7",
        unrepresentable: "any",
        override({ zodSchema, jsonSchema }) {
          const kind = zodSchema._zod.def.type;
          if (kind === "date") Object.assign(jsonSchema, { type: "string", format: "date-time" });
          if (kind === "pipe" || kind === "default" || kind === "prefault" || kind === "catch")
            plan.runs = true;
        },
      }) as Json,
      plan,
    );
  } catch {
    plan.runs = true;
    shape = {};
  }
  return plan.runs ? (data) => JSON.stringify(schema.parse(data)) : fastJson(shape as fastJson.AnySchema);
}

/** An answer that is frozen to its ground comes from a cache and will come again: its text is kept as long as it is. */
function keepFrozen(encode: Encode): Encode {
  const texts = new WeakMap<object, string>();
  return (data) => {
    if (typeof data !== "object" || data === null) return encode(data);
    const kept = texts.get(data);
    if (kept !== undefined) return kept;
    const text = encode(data);
    if (text !== undefined && isFrozen(data)) texts.set(data, text);
    return text;
  };
}

const documentation = ["$schema", "pattern", "default", "title", "description", "examples", "propertyNames"];

/** The same shape in the words that fast-json-stringify is quick at: `anyOf: [X, null]` is its `nullable`. */
function toSerialiserSchema(schema: unknown, plan: { runs: boolean }): Json {
  const convert = (value: unknown) => toSerialiserSchema(value, plan);
  if (schema === true || typeof schema !== "object" || schema === null) return {};
  const from = schema as Json;
  for (const word of ["anyOf", "oneOf"] as const) {
    const arms = from[word];
    if (!Array.isArray(arms)) continue;
    const real = arms.filter((arm) => (arm as Json).type !== "null");
    if (real.length === 1 && real.length < arms.length && typeof (real[0] as Json).type === "string")
      return { ...convert(real[0]), nullable: true };
    if (real.length === 1 && real.length === arms.length) return convert(real[0]);
    plan.runs = true;
    return {};
  }
  if (from.allOf || from.$ref || from.const !== undefined || Array.isArray(from.items)) {
    plan.runs = true;
    return {};
  }
  const to: Json = {};
  for (const [key, value] of Object.entries(from)) {
    if (documentation.includes(key)) continue;
    if (key === "properties")
      to[key] = Object.fromEntries(
        Object.entries(value as Json).map(([name, property]) => [name, convert(property)]),
      );
    else if (key === "items" || (key === "additionalProperties" && value !== false)) to[key] = convert(value);
    else if (key === "format") {
      if (value === "date-time" && from.pattern === undefined) to[key] = value;
    } else if (key === "type" && Array.isArray(value)) {
      const [only, ...more] = value.filter((type) => type !== "null");
      if (more.length === 0) Object.assign(to, { type: only, nullable: true });
      else return {};
    } else if (key !== "enum") to[key] = value;
  }
  return to;
}
