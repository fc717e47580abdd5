// The REST door as an OpenAPI 3.1 document, read from the procedures themselves.

import { z } from "zod";
import {
  answerHeaders,
  commonHeaders,
  deprecationHeaders,
  describeRefusals,
  headerRefs,
  limitHeaders,
  problemSchema,
  securityOf,
  securitySchemes,
} from "./describe-common.ts";
import { explain, sampleOfFields } from "./field-words.ts";
import { isObject, type Procedure } from "./procedure.ts";
import { readFields } from "./rest-input.ts";

type Json = Record<string, unknown>;

export type Operation = {
  operationId: string;
  deprecated?: boolean;
  summary: string;
  tags: string[];
  security: Json[];
  parameters: {
    name: string;
    in: string;
    required: boolean;
    description?: string;
    example?: unknown;
    schema: Json;
  }[];
  requestBody?: { required: boolean; content: { "application/json": { schema: Json; example: Json } } };
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
    headers: Record<string, Json>;
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
  const audience = about.prefix.startsWith("/operator") ? "operator" : "public";
  const schemas: Record<string, Json> = { Problem: problemSchema };
  const paths: OpenApi["paths"] = {};
  const tags = new Set<string>();
  for (const procedure of procedures) {
    const { stream, rest = stream?.rest } = procedure.meta;
    if (!rest) continue;
    const [method = "", path = ""] = rest.split(" ");
    paths[path] = {
      ...paths[path],
      [method.toLowerCase()]: describeOperation(procedure, {
        method,
        path,
        schemas,
        audience,
        isDeprecated: about.isDeprecated?.(procedure.name) ?? false,
      }),
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
      headers: commonHeaders,
      securitySchemes: securitySchemes[audience],
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

const writtenDown = {
  description: "The database is away: it is written down, and `Location` says what becomes of it",
  headers: headerRefs(["Location"]),
  content: {
    "application/json": {
      schema: {
        type: "object",
        required: ["id", "status", "detail"],
        properties: {
          id: { type: "string" },
          status: { type: "string", const: "queued" },
          detail: { type: "string" },
        },
      },
    },
  },
};

type Place = {
  method: string;
  path: string;
  schemas: Record<string, Json>;
  audience: "public" | "operator";
  isDeprecated: boolean;
};

function describeOperation(procedure: Procedure, place: Place): Operation {
  const { name, meta, inputs } = procedure;
  const { method, path, schemas, audience, isDeprecated } = place;
  const fields = readFields(inputs) ?? { properties: {}, required: [] };
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, field]) => field!);
  const elsewhere = Object.keys(fields.properties).filter((field) => !inPath.includes(field));
  const hasBody = method !== "GET" && (method !== "DELETE" || meta.body) ? elsewhere.length > 0 : false;
  const take = (field: string) =>
    explain(field, hoist(fields.properties[field] ?? { type: "string" }, `${name}.${field}`, schemas));

  const parameter = (field: string, place: "path" | "query") => {
    const { description, examples, ...schema } = take(field);
    return {
      name: field,
      in: place,
      required: place === "path" || fields.required.includes(field),
      ...(typeof description === "string" ? { description } : {}),
      ...(Array.isArray(examples) ? { example: examples[0] } : {}),
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
  const properties = Object.fromEntries(elsewhere.map((field) => [field, take(field)]));
  return {
    operationId: name,
    ...(isDeprecated ? { deprecated: true } : {}),
    summary: meta.summary ?? name,
    tags: [moduleOf(procedure)],
    security: securityOf(meta.auth, audience),
    parameters,
    ...(hasBody
      ? {
          requestBody: {
            required: required.length > 0,
            content: {
              "application/json": {
                schema: { type: "object", properties, ...(required.length > 0 ? { required } : {}) },
                example: sampleOfFields(properties),
              },
            },
          },
        }
      : {}),
    responses: {
      ...describeSuccess(procedure, place),
      ...(meta.mayWait ? { "202": writtenDown } : {}),
      ...Object.fromEntries(
        refusalsOf(procedure, method, { hasInput: inputs.length > 0 }).map((status) => [
          String(status),
          { $ref: `#/components/responses/${status}` },
        ]),
      ),
    },
  };
}

function describeSuccess({ name, meta, output }: Procedure, place: Place): Record<string, Json> {
  const { method, schemas, audience, isDeprecated } = place;
  const isNothing = output instanceof z.ZodVoid || output instanceof z.ZodUndefined;
  const status = meta.status ?? (isNothing ? 204 : 200);
  if (meta.stream) {
    const content = { "text/event-stream": { schema: { type: "string", description: meta.stream.events } } };
    return {
      200: {
        description: "Events, for as long as they are read",
        headers: headerRefs(answerHeaders),
        content,
      },
    };
  }
  const hasVersion = meta.ifMatch && status !== 204;
  const headers = headerRefs([
    ...answerHeaders,
    ...(audience === "public" ? limitHeaders : []),
    ...(hasVersion ? ["ETag"] : []),
    ...(status === 201 || status === 202 ? ["Location"] : []),
    ...(isDeprecated ? deprecationHeaders : []),
  ]);
  if (isNothing || status === 204)
    return { [status]: { description: "Done; there is nothing to say", headers } };
  const schema = output
    ? hoist(
        z.toJSONSchema(output, { io: "output", unrepresentable: "any", override: dates }) as Json,
        name,
        schemas,
      )
    : {};
  const description = status === 201 ? "Created" : status === 202 ? "Accepted" : "As asked";
  return {
    ...(hasVersion && method === "GET"
      ? { 304: { description: "It is still as you have it", headers } }
      : {}),
    [status]: { description, headers, content: { "application/json": { schema } } },
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
