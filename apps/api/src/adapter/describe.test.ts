import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { errorTable } from "@signalbox/core/errors";
import { appRouter } from "@signalbox/modules";
import { operatorRouter } from "@signalbox/modules/control";
import { createRouter, guestProcedure } from "@signalbox/modules/trpc";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { describe, type OpenApi } from "./describe.ts";
import { readProcedures } from "./procedure.ts";
import { createSampleApp } from "./testing.ts";

let app: FastifyInstance;
before(async () => {
  app = await createSampleApp();
});
after(() => app.close());

async function assertValid(document: OpenApi): Promise<void> {
  const result = await new Validator().validate(JSON.parse(JSON.stringify(document)));
  assert.deepEqual(result.errors ?? [], []);
  assert.ok(result.valid);
  const text = JSON.stringify(document);
  for (const [, pointer = ""] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const target = pointer
      .split("/")
      .reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], document);
    assert.ok(target, `#/${pointer} leads nowhere`);
  }
}

test("the document of the sample procedures is OpenAPI 3.1", async () => {
  const answer = await app.inject({ url: "/v1/openapi.json" });
  assert.equal(answer.statusCode, 200);
  await assertValid(answer.json());
});

test("the document of every module is OpenAPI 3.1, and names every REST operation", async () => {
  const procedures = readProcedures(appRouter);
  const document = describe(procedures, { prefix: "/v1" });
  await assertValid(document);
  const described = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  assert.deepEqual(
    described.sort(),
    procedures
      .filter(({ meta }) => meta.rest ?? meta.stream)
      .map(({ name }) => name)
      .sort(),
  );
});

test("every field that users send is explained, and every example is one that its schema takes", async () => {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  for (const [router, name] of [
    [appRouter, "public"],
    [operatorRouter, "operators"],
  ] as const) {
    const document = describe(readProcedures(router), { prefix: name === "public" ? "/v1" : "/operator/v1" });
    await assertValid(document);
    ajv.addSchema(document, name);
    const fits = (schema: object, example: unknown, what: string) => {
      const text = JSON.stringify(schema).replaceAll('"#/components', `"${name}#/components`);
      const check = ajv.compile(JSON.parse(text));
      assert.ok(check(example), `${what}: ${JSON.stringify(example)}: ${ajv.errorsText(check.errors)}`);
    };
    for (const { operationId, parameters, requestBody } of Object.values(document.paths).flatMap((methods) =>
      Object.values(methods),
    )) {
      for (const parameter of parameters) {
        assert.ok(
          parameter.description ?? name === "operators",
          `${operationId}: ${parameter.name} is not explained`,
        );
        if (parameter.in !== "header")
          fits(parameter.schema, parameter.example, `${operationId} ${parameter.name}`);
      }
      if (!requestBody) continue;
      const { schema, example } = requestBody.content["application/json"];
      for (const [field, { description, $ref }] of Object.entries(
        schema.properties as Record<string, Record<string, unknown>>,
      ))
        assert.ok(description ?? $ref ?? name === "operators", `${operationId}: ${field} is not explained`);
      fits(schema, example, operationId);
    }
  }
});

test("every procedure of every module is compiled", () => {
  const walked = readProcedures(appRouter).filter(
    ({ compiled, kind }) => !compiled && kind !== "subscription",
  );
  assert.deepEqual(
    walked.map(({ name }) => name),
    [],
  );
});

test("an operation says what it takes and gives", async () => {
  const document = (await app.inject({ url: "/v1/openapi.json" })).json() as OpenApi;
  const change = document.paths["/items/{id}"]!.patch!;
  assert.equal(change.operationId, "sample.item.change");
  assert.deepEqual(change.security, [{ bearer: [] }, { bearer: [], application: [] }]);
  assert.deepEqual(
    change.parameters.map(({ name, in: place, required }) => [name, place, required]),
    [
      ["id", "path", true],
      ["If-Match", "header", false],
      ["Idempotency-Key", "header", false],
    ],
  );
  const body = change.requestBody!.content["application/json"].schema;
  assert.deepEqual(body, {
    type: "object",
    properties: {
      text: { description: "What it says", examples: ["hello"], type: "string", minLength: 1 },
    },
    required: ["text"],
  });
  assert.deepEqual(Object.keys(change.responses), [
    "200",
    "400",
    "401",
    "403",
    "404",
    "408",
    "409",
    "410",
    "412",
    "413",
    "415",
    "417",
    "422",
    "429",
    "431",
    "500",
    "503",
    "504",
  ]);
  const list = document.paths["/items"]!.get!;
  assert.deepEqual(list.security, [{}, { bearer: [] }, { application: [] }, { bearer: [], application: [] }]);
  assert.deepEqual(list.parameters.find(({ name }) => name === "limit")?.schema, {
    default: 20,
    type: "integer",
    minimum: 1,
    maximum: 100,
  });
  assert.deepEqual(Object.keys(document.paths["/items/{id}"]!.delete!.responses)[0], "204");
});

test("every status of the error table has its component", async () => {
  const { components } = (await app.inject({ url: "/v1/openapi.json" })).json() as OpenApi;
  const refusals = Object.values(errorTable).filter(({ http }) => http >= 400);
  const statuses = new Set(refusals.map(({ http }) => String(http)));
  assert.deepEqual(Object.keys(components.responses), [...statuses].sort());
});

test("named schemas and those that hold themselves become components", async () => {
  const Named = z.object({ id: z.string() }).meta({ id: "DescribeTestNamed" });
  const Tree = z.object({
    word: z.string(),
    get below() {
      return z.array(Tree);
    },
  });
  const router = createRouter({
    tree: {
      read: guestProcedure
        .meta({ rest: "GET /trees" })
        .output(z.object({ tree: Tree, named: Named, list: z.array(Named), at: z.date() }))
        .query(() => ({
          tree: { word: "a", below: [{ word: "b", below: [] }] },
          named: { id: "1" },
          list: [],
          at: new Date(0),
        })),
      self: guestProcedure
        .meta({ rest: "GET /self" })
        .output(Tree)
        .query(() => ({ word: "a", below: [] })),
    },
  });
  const procedures = readProcedures(router);
  const document = describe(procedures, { prefix: "/v1" });
  await assertValid(document);
  assert.ok(document.components.schemas.DescribeTestNamed);
  const encoded = procedures[0]!.encode({
    tree: { word: "a", below: [{ word: "b", below: [], secret: 1 }] },
    named: { id: "1" },
    list: [],
    at: new Date(0),
  });
  assert.deepEqual(JSON.parse(encoded!), {
    tree: { word: "a", below: [{ word: "b", below: [] }] },
    named: { id: "1" },
    list: [],
    at: "1970-01-01T00:00:00.000Z",
  });
});

test("the page names every operation and needs nothing from elsewhere", async () => {
  const answer = await app.inject({ url: "/v1/docs" });
  assert.match(String(answer.headers["content-type"]), /^text\/html/);
  assert.match(String(answer.headers["content-security-policy"]), /default-src 'none'/);
  assert.match(answer.body, /id="sample\.item\.read"/);
  assert.match(answer.body, /prefers-color-scheme|color-scheme/);
  assert.doesNotMatch(answer.body, /(?:src|href)="(?:https?:)?\/\//);
});
