// The REST door as an OpenAPI 3.1 document, read from the procedures themselves.

import { type ErrorCode, errorTable } from "@signalbox/core/errors";
import { z } from "zod";
import { isObject, type Procedure } from "./procedure.ts";
import { readFields } from "./rest-input.ts";

type Json = Record<string, unknown>;

export type Operation = {
  operationId: string;
  deprecated?: boolean;
  summary: string;
  tags: string[];
  security: Json[];
  parameters: { name: string; in: string; required: boolean; description?: string; schema: Json }[];
  requestBody?: { required: boolean; content: { "application/json": { schema: Json } } };
  responses: Record<string, Json>;
};

export type OpenApi = {
  openapi: "3.1.1";
  info: {
    title: string;
    description: string;
    version: string;
    license: { name: string; identifier: string };
  };
  servers: { url: string }[];
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, Json>;
    responses: Record<string, Json>;
    securitySchemes: Record<string, Json>;
  };
};

export function describe(
  procedures: Procedure[],
  about: {
    prefix: string;
    title?: string;
    description?: string;
    version?: string;
    publicUrl?: string;
    isDeprecated?: (name: string) => boolean;
  },
): OpenApi {
  const schemas: Record<string, Json> = { Problem: problemSchema };
  const paths: OpenApi["paths"] = {};
  const tags = new Set<string>();
  for (const procedure of procedures) {
    const { rest } = procedure.meta;
    if (!rest) continue;
    const [method = "", path = ""] = rest.split(" ");
    paths[path] = {
      ...paths[path],
      [method.toLowerCase()]: {
        ...describeOperation(procedure, method, path, schemas),
        ...(about.isDeprecated?.(procedure.name) ? { deprecated: true } : {}),
      },
    };
    tags.add(moduleOf(procedure));
  }
  return {
    openapi: "3.1.1",
    info: {
      title: about.title ?? "Signalbox",
      description: about.description ?? "Every operation is also a tRPC procedure of the same name.",
      version: about.version ?? "0.0.0",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: (about.publicUrl ?? "") + about.prefix }],
    tags: [...tags].map((name) => ({ name })),
    paths,
    components: {
      schemas,
      responses: describeRefusals(),
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
    },
  };
}

const header = (name: string, description: string) => ({
  name,
  in: "header",
  required: false,
  description,
  schema: { type: "string" },
});
const ifMatch = header("If-Match", "The ETag that you read; a newer version refuses the change with 412");
const idempotencyKey = {
  ...header(
    "Idempotency-Key",
    "Up to 255 visible ASCII characters, new for each call: sent again with the same body it gets the same answer for 24 hours and takes effect once; 409 while the first one runs, 422 for another body",
  ),
  schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[!-~]+$" },
};
const ifNoneMatch = header("If-None-Match", "The ETag that you have; 304 where it is still the newest");

const moduleOf = ({ name }: Procedure) => name.split(".", 1)[0] ?? name;

function describeOperation(
  procedure: Procedure,
  method: string,
  path: string,
  schemas: Record<string, Json>,
): Operation {
  const { name, meta, inputs, output } = procedure;
  const fields = readFields(inputs) ?? { properties: {}, required: [] };
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, field]) => field!);
  const elsewhere = Object.keys(fields.properties).filter((field) => !inPath.includes(field));
  const hasBody = method !== "GET" && (method !== "DELETE" || meta.body) ? elsewhere.length > 0 : false;
  const take = (field: string) =>
    hoist(fields.properties[field] ?? { type: "string" }, `${name}.${field}`, schemas);

  const parameter = (field: string, place: "path" | "query") => {
    const { description, ...schema } = take(field);
    return {
      name: field,
      in: place,
      required: place === "path" || fields.required.includes(field),
      ...(typeof description === "string" ? { description } : {}),
      schema,
    };
  };
  const parameters: Operation["parameters"] = [
    ...inPath.map((field) => parameter(field, "path")),
    ...(hasBody ? [] : elsewhere.map((field) => parameter(field, "query"))),
  ];
  if (meta.ifMatch) parameters.push(method === "GET" ? ifNoneMatch : ifMatch);
  if (procedure.kind === "mutation") parameters.push(idempotencyKey);

  const required = elsewhere.filter((field) => fields.required.includes(field));
  return {
    operationId: name,
    summary: meta.summary ?? name,
    tags: [moduleOf(procedure)],
    security: meta.auth === "guest" ? [{}, { bearer: [] }] : [{ bearer: [] }],
    parameters,
    ...(hasBody
      ? {
          requestBody: {
            required: required.length > 0,
            content: {
              "application/json": {
                schema: {
                  type: "object",
                  properties: Object.fromEntries(elsewhere.map((field) => [field, take(field)])),
                  ...(required.length > 0 ? { required } : {}),
                },
              },
            },
          },
        }
      : {}),
    responses: {
      ...describeSuccess(procedure, output, schemas),
      ...Object.fromEntries(
        refusalsOf(procedure, method, { hasInput: inputs.length > 0 }).map((status) => [
          String(status),
          { $ref: `#/components/responses/${status}` },
        ]),
      ),
    },
  };
}

function describeSuccess(
  { name, meta }: Procedure,
  output: z.ZodType | undefined,
  schemas: Record<string, Json>,
): Record<string, Json> {
  const isNothing = output instanceof z.ZodVoid || output instanceof z.ZodUndefined;
  const status = meta.status ?? (isNothing ? 204 : 200);
  if (isNothing || status === 204) return { [status]: { description: "Done; there is nothing to say" } };
  const schema = output
    ? hoist(
        z.toJSONSchema(output, { io: "output", unrepresentable: "any", override: dates }) as Json,
        name,
        schemas,
      )
    : {};
  return {
    ...(meta.ifMatch && meta.rest?.startsWith("GET ")
      ? { 304: { description: "It is still as you have it" } }
      : {}),
    [status]: {
      description: status === 201 ? "Created" : status === 202 ? "Accepted" : "As asked",
      ...(meta.ifMatch ? { headers: { ETag: { schema: { type: "string" } } } } : {}),
      content: { "application/json": { schema } },
    },
  };
}

/** In JSON a date is the text that toISOString gives. */
function dates({
  zodSchema,
  jsonSchema,
}: {
  zodSchema: z.core.$ZodTypes;
  jsonSchema: z.core.JSONSchema.BaseSchema;
}) {
  if (zodSchema._zod.def.type === "date") Object.assign(jsonSchema, { type: "string", format: "date-time" });
}

function refusalsOf({ meta }: Procedure, method: string, has: { hasInput: boolean }): number[] {
  const changes = method !== "GET";
  return [
    400,
    401,
    403,
    ...(has.hasInput ? [404] : []),
    408,
    ...(changes ? [409] : []),
    ...(has.hasInput ? [410] : []),
    ...(meta.ifMatch && changes ? [412] : []),
    413,
    415,
    417,
    ...(has.hasInput || changes ? [422] : []),
    429,
    431,
    500,
    503,
    504,
  ];
}

/** Named schemas (`.meta({ id })`, and what refers to itself) move to components; the rest stays where it is. */
function hoist(schema: Json, owner: string, schemas: Record<string, Json>): Json {
  const { $schema: _dialect, $defs, ...rest } = schema as Json & { $defs?: Record<string, Json> };
  const names = new Map<string, string>();
  for (const name of Object.keys($defs ?? {}))
    names.set(name, name.startsWith("__") ? `${owner}.${name.slice(2)}` : name);
  const refer = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(refer);
    if (!isObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([key]) => key !== "id" || !isObject(value.properties))
        .map(([key, inner]) => {
          if (key !== "$ref" || typeof inner !== "string") return [key, refer(inner)];
          if (inner === "#") return [key, `#/components/schemas/${owner}`];
          const name = inner.replace("#/$defs/", "");
          return [key, `#/components/schemas/${names.get(name) ?? name}`];
        }),
    );
  };
  for (const [name, definition] of Object.entries($defs ?? {}))
    schemas[names.get(name)!] = refer(definition) as Json;
  const result = refer(rest) as Json;
  if (!JSON.stringify(result).includes(`"#/components/schemas/${owner}"`)) return result;
  schemas[owner] = result;
  return { $ref: `#/components/schemas/${owner}` };
}

const problemSchema: Json = {
  description: "Every refusal and failure, as RFC 9457 has it",
  type: "object",
  required: ["type", "title", "status", "code", "detail", "requestId"],
  properties: {
    type: { type: "string", format: "uri", description: "Where this code is explained" },
    title: { type: "string" },
    status: { type: "integer" },
    code: { type: "string", enum: Object.keys(errorTable), description: "What a program reads" },
    detail: { type: "string", description: "What a person reads" },
    requestId: { type: "string", description: "Finds this request in the logs" },
    errors: {
      type: "array",
      items: {
        type: "object",
        required: ["field", "message"],
        properties: { field: { type: "string" }, message: { type: "string" } },
      },
    },
    retryAfterMs: { type: "integer", description: "It may pass by itself: try again after so long" },
  },
};

function describeRefusals(): Record<string, Json> {
  const byStatus = Map.groupBy(Object.entries(errorTable), ([, { http }]) => http);
  return Object.fromEntries(
    [...byStatus].map(([status, rows]) => [
      String(status),
      {
        description: rows.map(([code, { title }]) => `\`${code}\`: ${title}`).join("; "),
        ...(status === 401 ? { headers: { "WWW-Authenticate": { schema: { type: "string" } } } } : {}),
        ...(status === 429 || status === 503
          ? { headers: { "Retry-After": { description: "Seconds", schema: { type: "integer" } } } }
          : {}),
        content: {
          "application/problem+json": {
            schema: {
              allOf: [
                { $ref: "#/components/schemas/Problem" },
                { properties: { code: { enum: rows.map(([code]) => code as ErrorCode) } } },
              ],
            },
          },
        },
      },
    ]),
  );
}
