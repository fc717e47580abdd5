// Path, query and body of a REST call become the one input that its procedure takes.

import { AppError } from "@signalbox/core/errors";
import { z } from "zod";
import { nulIn, parseJson } from "./json.ts";
import { isObject } from "./procedure.ts";

type Json = Record<string, unknown>;
type Coerce = (value: string) => unknown;
export type Texts = Record<string, string | string[] | undefined>;

/** The input's fields as JSON Schema, over all `.input()` of a procedure; undefined: it takes no object. */
export function readFields(
  inputs: z.ZodType[],
): { properties: Record<string, Json>; required: string[] } | undefined {
  const shapes = inputs.map((schema) => toInputSchema(schema)).filter((shape) => isObject(shape.properties));
  if (shapes.length === 0) return undefined;
  return {
    properties: Object.assign({}, ...shapes.map((shape) => shape.properties)),
    required: shapes.flatMap((shape) => (shape.required as string[] | undefined) ?? []),
  };
}

export function toInputSchema(schema: z.ZodType): Json {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Json;
}

export type ReadInput = (params: Texts, query: Texts, body: string | undefined) => unknown;

export function compileRestInput(inputs: z.ZodType[]): ReadInput {
  if (inputs.length === 0) return () => undefined;
  const coercions = new Map(
    Object.entries(readFields(inputs)?.properties ?? {}).map(([name, schema]) => [name, coercionOf(schema)]),
  );

  const lay = (input: Json, texts: Texts) => {
    for (const name in texts) {
      const coercion = coercions.get(name);
      const value = texts[name];
      // What the input does not name is not copied: a query cannot reach a prototype.
      if (!coercion || value === undefined) continue;
      if (String(value).includes("\0")) throw nulIn(name);
      input[name] = coercion(value);
    }
  };

  return (params, query, body) => {
    const sent = body === undefined || body === "" ? {} : parseJson(body, "the body");
    if (!isObject(sent))
      throw new AppError("invalid", "the body must be a JSON object", {
        errors: [{ field: "", message: "must be a JSON object" }],
      });
    lay(sent, query);
    lay(sent, params);
    return sent;
  };
}

/** Text in the address, as the type that the schema asks for. What does not fit is left for the schema to refuse. */
function coercionOf(schema: Json): (value: string | string[]) => unknown {
  const type = typeOf(schema);
  if (type === "array") {
    const items = isObject(schema.items) ? schema.items : {};
    const each = scalars[typeOf(items) ?? "string"] ?? asIs;
    return (value) => (Array.isArray(value) ? value : [value]).map(each);
  }
  const coerce = scalars[type ?? "string"] ?? asIs;
  return (value) => (Array.isArray(value) ? value.map(coerce) : coerce(value));
}

const asIs: Coerce = (value) => value;
const toNumber: Coerce = (value) => (/^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value);
const scalars: Record<string, Coerce> = {
  number: toNumber,
  integer: toNumber,
  boolean: (value) => (value === "true" ? true : value === "false" ? false : value),
};

/** The one type besides null that a schema names. */
function typeOf(schema: Json): string | undefined {
  const arms = (schema.anyOf ?? schema.oneOf) as Json[] | undefined;
  const types = arms ? arms.map(typeOf) : Array.isArray(schema.type) ? schema.type : [schema.type];
  const real = new Set(types.filter((type) => type !== "null"));
  return real.size === 1 ? ([...real][0] as string | undefined) : undefined;
}
