// What all operations of the description have in common: headers, refusals, and the ways to say who calls.

import { type ErrorCode, errorTable } from "@signalbox/core/errors";

type Json = Record<string, unknown>;

const text = { type: "string" };
const seconds = { type: "integer", minimum: 0 };
export const commonHeaders: Record<string, Json> = {
  "X-Request-Id": {
    description: "Finds this request in logs, events and jobs: yours where you sent a sane one",
    schema: text,
    example: "01a1fc77-8eff-765a-bb75-17ca7829d254",
  },
  traceparent: {
    description: "W3C trace context: your trace, our span",
    schema: text,
    example: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  },
  ETag: {
    description: "The version of what is answered; strong, for If-Match and If-None-Match",
    schema: text,
    example: '"3"',
  },
  Location: {
    description: "Where it is found from now on",
    schema: { type: "string", format: "uri-reference" },
  },
  RateLimit: {
    description: "What is left of the limit that is nearest",
    schema: text,
    example: '"user";r=999;t=1',
  },
  "RateLimit-Policy": {
    description: "The limit that is nearest",
    schema: text,
    example: '"user";q=1000;w=5',
  },
  "Retry-After": { description: "Seconds after which it is worth another try", schema: seconds, example: 1 },
  "WWW-Authenticate": {
    description: 'Bearer, with error="invalid_token" where a token was sent',
    schema: text,
    example: 'Bearer error="invalid_token"',
  },
  Deprecation: {
    description: "Since when callers should use something else (RFC 9745)",
    schema: text,
    example: "@1801353600",
  },
  Sunset: { description: "When it ends (RFC 8594)", schema: text, example: "Fri, 31 Dec 2027 00:00:00 GMT" },
  Link: { description: 'What takes its place: rel="successor-version"', schema: text },
};

export const headerRefs = (names: string[]): Json =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

/** What every answer has, and every answer that a limit was asked about. */
export const answerHeaders = ["X-Request-Id", "traceparent"];
export const limitHeaders = ["RateLimit", "RateLimit-Policy"];
export const deprecationHeaders = ["Deprecation", "Sunset", "Link"];

export const securitySchemes: Record<"public" | "operator", Record<string, Json>> = {
  public: {
    bearer: {
      type: "http",
      scheme: "bearer",
      bearerFormat: "JWT",
      description: "The access token of a signed-in user",
    },
    application: {
      type: "apiKey",
      in: "header",
      name: "X-Api-Key",
      description:
        "The key of the program that calls, for its user or for nobody; it narrows what may be called",
    },
  },
  operator: {
    bearer: {
      type: "http",
      scheme: "bearer",
      description: "The operator token of this install, for scripts",
    },
    session: { type: "apiKey", in: "cookie", name: "sb_session", description: "The session of the console" },
  },
};

type Auth = "guest" | "user" | "operator" | undefined;
const ways: Record<"guest" | "user" | "operator", Json[]> = {
  guest: [{}, { bearer: [] }, { application: [] }, { bearer: [], application: [] }],
  user: [{ bearer: [] }, { bearer: [], application: [] }],
  operator: [{ bearer: [] }, { session: [] }],
};
export const securityOf = (auth: Auth, audience: "public" | "operator"): Json[] =>
  audience === "operator" && auth !== "operator" ? [{}] : ways[auth ?? "guest"];

export const problemSchema: Json = {
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
      description: "What is wrong, by field",
      items: {
        type: "object",
        required: ["field", "message"],
        properties: { field: { type: "string" }, message: { type: "string" } },
      },
    },
    retryAfterMs: { type: "integer", description: "It may pass by itself: try again after so long" },
  },
};

export function describeRefusals(): Record<string, Json> {
  const refusals = Object.entries(errorTable).filter(([, { http }]) => http >= 400);
  const byStatus = Map.groupBy(refusals, ([, { http }]) => http);
  return Object.fromEntries(
    [...byStatus].map(([status, rows]) => [
      String(status),
      {
        description: rows.map(([code, { title }]) => `\`${code}\`: ${title}`).join("; "),
        headers: headerRefs([
          ...answerHeaders,
          ...(status === 401 ? ["WWW-Authenticate"] : []),
          ...(status === 429 || status === 503 ? ["Retry-After"] : []),
          ...(status === 429 ? limitHeaders : []),
        ]),
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
