// Values for a schema of the document: one that fits, one at or just over an edge, and one that nobody should send.

import { randomUUID } from "node:crypto";
import type { Pool, Thing } from "./pool.ts";
import type { Random } from "./random.ts";

export type Schema = {
  type?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  minItems?: number;
  maxItems?: number;
  examples?: unknown[];
  $ref?: string;
};
export type Manner = "valid" | "edge" | "hostile";

export type Draw = {
  random: Random;
  pool: Pool;
  /** What the request is about, if there is such a thing yet. */
  subject: Thing | undefined;
  resolve: (ref: string) => Schema;
};

const words = ["hello", "a word and another", "ünïcödé", "日本語の文", "🙂 with a smile", "line\nbreak", "1"];

export function draw(draw: Draw, name: string, schema: Schema, manner: Manner): unknown {
  if (schema.$ref) return drawFrom(draw, name, draw.resolve(schema.$ref), manner);
  return drawFrom(draw, name, schema, manner);
}

function drawFrom(given: Draw, name: string, schema: Schema, manner: Manner): unknown {
  const { random } = given;
  if (manner === "hostile") return hostile(random);
  const arms = schema.anyOf ?? schema.oneOf;
  if (arms) return draw(given, name, random.pick(arms), manner);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return manner === "edge" && random.chance(0.3) ? "neither" : random.pick(schema.enum);
  switch (schema.type) {
    case "string":
      return manner === "edge" ? edgeOfText(given, schema) : text(given, name, schema);
    case "integer":
    case "number":
      return manner === "edge" ? edgeOfNumber(random, schema) : number(given, name, schema);
    case "boolean":
      return random.chance(0.5);
    case "array":
      return list(given, name, schema, manner);
    case "object":
      return object(given, schema, manner);
    case "null":
      return null;
    default:
      return random.pick<unknown>([null, 1, "x", true]);
  }
}

/** What there is, or, as often as not, what the document gives as an example. */
function known({ random, pool, subject }: Draw, name: string, { examples = [] }: Schema): unknown {
  const told = pool.named(name);
  const is = subject?.[name] ?? (told.length > 0 ? random.pick(told) : undefined);
  if (is !== undefined && random.chance(0.75)) return is;
  return random.chance(0.5) ? examples[0] : undefined;
}

function text(given: Draw, name: string, schema: Schema): string {
  const { random } = given;
  const there = known(given, name, schema);
  if (there !== undefined) return String(there);
  if (schema.format === "uuid") return randomUUID();
  if (schema.format === "date-time" || /At$|^at$/.test(name))
    return new Date(Date.now() + random.int(-86_400, 86_400) * 1_000).toISOString();
  if (schema.format === "email" || name === "email") return `p${random.int(0, 1e6)}@example.test`;
  const { pattern, minLength = 0, maxLength = 200 } = schema;
  if (pattern !== undefined) {
    const form = new RegExp(pattern, "u");
    const tries = [
      "*",
      "feed.post",
      `shop.x${random.int(1, 1e6)}`,
      String(random.int(1, 1e6)),
      `h${random.int(0, 1e7)}`,
      randomUUID(),
      "abc",
    ];
    const fitting = tries.filter((each) => form.test(each));
    return random.pick(fitting.length > 0 ? fitting : tries);
  }
  return random.pick(words).padEnd(minLength, "x").slice(0, maxLength);
}

function edgeOfText({ random }: Draw, { minLength = 0, maxLength = 200 }: Schema): string {
  const length = random.pick([minLength, Math.max(0, minLength - 1), maxLength, maxLength + 1]);
  return random.pick(["x", "é", "🙂", " ", "ﷺ", "e\u0301"]).repeat(length).slice(0, length);
}

function number(given: Draw, name: string, schema: Schema): number {
  const { random } = given;
  const there = known(given, name, schema);
  if (typeof there === "number") return there;
  const { minimum = 1, maximum = 100, type } = schema;
  // Where anything goes, a small number is the likelier one.
  const least = minimum < 0 && maximum > 0 ? 0 : minimum;
  const value = random.int(least, Math.min(maximum, least + 50));
  return type === "integer" ? value : value + 0.5;
}

function edgeOfNumber(random: Random, { minimum = 0, maximum = 1_000, exclusiveMinimum }: Schema): number {
  const least = exclusiveMinimum ?? minimum;
  return random.pick([least, least - 1, maximum, maximum + 1, 0, -0, 0.5, 2 ** 31, 2 ** 53, 1e300, -1e300]);
}

function list(given: Draw, name: string, { items = {}, minItems = 0, maxItems = 5 }: Schema, manner: Manner) {
  const { random } = given;
  const length =
    manner === "edge" ? random.pick([minItems, maxItems, maxItems + 1]) : random.int(minItems, 3);
  return Array.from({ length }, () => draw(given, name, items, "valid"));
}

/** An object with one field wrong, or all as they should be. */
export function object(given: Draw, { properties = {}, required = [] }: Schema, manner: Manner) {
  const { random } = given;
  const wrong = manner === "valid" ? undefined : random.pick(Object.keys(properties));
  const made: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(properties)) {
    if (name === wrong && manner === "edge" && random.chance(0.2)) continue;
    if (name !== wrong && !required.includes(name) && random.chance(0.5)) continue;
    made[name] = draw(given, name, schema, name === wrong ? manner : "valid");
  }
  if (manner === "hostile" && random.chance(0.2))
    made[random.pick(["unknown", "id", "toString", "$ref"])] = hostile(random);
  return made;
}

const deep = (depth: number) => {
  let value: unknown = 1;
  for (let at = 0; at < depth; at++) value = at % 2 ? [value] : { a: value };
  return value;
};

function hostile(random: Random): unknown {
  return random.pick<() => unknown>([
    () => null,
    () => [],
    () => ({}),
    () => true,
    () => -1,
    () => 1e308,
    () => 2 ** 53,
    () => "",
    () => " ",
    () => "\0",
    () => "a\0b",
    () => "\ud800",
    () => "\udfff\ud800",
    () => "\u202e\u200b\ufeff",
    () => "NaN",
    () => "__proto__",
    () => "constructor",
    () => "' or 1=1; drop table users; --",
    () => "%00%0d%0aX-Injected: 1",
    () => "x\r\nX-Injected: 1",
    () => "../../../../etc/passwd",
    () => "{{7*7}}",
    () => "<script>alert(1)</script>",
    () => "x".repeat(random.int(300, 20_000)),
    () => "e\u0301".repeat(3_000),
    () => "9".repeat(400),
    () => "0x10",
    () => "1e3",
    () => "2026-02-30T25:61:61Z",
    () => "00000000-0000-0000-0000-000000000000",
    () => "Infinity",
    () => ({ toString: 1, valueOf: 2 }),
    () => ({ $gt: "" }),
    () => ["x", null, 1],
    () => Array.from({ length: 500 }, () => "x"),
    () => deep(random.int(5, 2_000)),
  ])();
}
