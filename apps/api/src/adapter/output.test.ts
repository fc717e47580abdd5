import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { compileOutput } from "./output.ts";

const cases: [string, z.ZodType, unknown, unknown?][] = [
  ["a nullable text", z.object({ a: z.string().nullable() }), { a: null }],
  ["a nullable object", z.object({ a: z.object({ b: z.number() }).nullable() }), { a: null }],
  [
    "a nullable object that is there",
    z.object({ a: z.object({ b: z.number() }).nullable() }),
    { a: { b: 1 } },
  ],
  ["a nullable choice", z.object({ a: z.enum(["x", "y"]).nullable() }), { a: null }],
  ["a nullable list", z.object({ a: z.array(z.number()).nullable() }), { a: null }],
  ["an optional field that is not there", z.object({ a: z.string().optional() }), {}],
  ["a nullish field", z.object({ a: z.string().nullish() }), { a: null }],
  ["fractions", z.object({ a: z.number() }), { a: 1.25 }],
  ["choices of numbers", z.object({ a: z.literal([1, 2]) }), { a: 2 }],
  ["one literal", z.object({ a: z.literal("x") }), { a: "x" }],
  ["text or number", z.object({ a: z.union([z.string(), z.number()]) }), { a: 7 }],
  ["records", z.record(z.string(), z.object({ n: z.number() })), { x: { n: 1 }, y: { n: 2 } }],
  ["open objects", z.looseObject({ a: z.string() }), { a: "x", more: [1] }],
  ["anything", z.object({ a: z.unknown() }), { a: { deep: [null, "x"] } }],
  ["tuples", z.object({ a: z.tuple([z.string(), z.number()]) }), { a: ["x", 1] }],
  [
    "texts with every sign",
    z.object({ a: z.string() }),
    { a: 'quote " back \\ line \n \u2028 é 😀 </script>' },
  ],
  ["a list at the top", z.array(z.object({ a: z.boolean() })), [{ a: true }]],
  ["a text at the top", z.string(), "x"],
  ["a number at the top that may be missing", z.number().nullable(), null],
  ["a transform", z.object({ a: z.string().transform(Number) }), { a: "7" }, { a: 7 }],
  ["a default", z.object({ a: z.number().default(3) }), {}, { a: 3 }],
  ["a date", z.object({ a: z.date() }), { a: new Date(0) }, { a: "1970-01-01T00:00:00.000Z" }],
  [
    "alternatives, without what they do not name",
    z.object({
      a: z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("x"), n: z.number() }),
        z.object({ kind: z.literal("y") }),
      ]),
    }),
    { a: { kind: "x", n: 1, secret: 2 } },
    { a: { kind: "x", n: 1 } },
  ],
  [
    "alternatives that may be null",
    z.object({ a: z.union([z.object({ b: z.number() }), z.object({ c: z.number() })]).nullable() }),
    { a: null },
  ],
  [
    "objects, without what they do not name",
    z.object({ a: z.object({ b: z.number() }) }),
    { a: { b: 1, secret: 2 }, secret: 3 },
    { a: { b: 1 } },
  ],
];

for (const [name, schema, data, expected = data] of cases)
  test(name, () => {
    const text = compileOutput(schema)(data);
    assert.deepEqual(JSON.parse(text!), expected);
    // The same that tRPC's own handler would send.
    assert.deepEqual(JSON.parse(text!), JSON.parse(JSON.stringify(schema.parse(data))));
  });

test("nothing", () => {
  assert.equal(compileOutput(z.void())(undefined), undefined);
  assert.equal(compileOutput(undefined)(undefined), undefined);
});

test("a field that is missing is a fault, not a gap", () => {
  assert.throws(() => compileOutput(z.object({ a: z.string() }))({}));
});

test("a list whose first item is the same as before is written as it is now", () => {
  const encode = compileOutput(
    z.object({ items: z.array(z.object({ n: z.number() })), nextCursor: z.null() }),
  );
  const [a, b, c] = [1, 2, 3].map((n) => Object.freeze({ n }));
  const open = { n: 4 };
  const said = (items: unknown[]) =>
    JSON.parse(encode({ items, nextCursor: null })!).items.map(({ n }: { n: number }) => n);
  for (const _ of "twice") {
    assert.deepEqual(said([a, b]), [1, 2]);
    assert.deepEqual(said([a, c]), [1, 3]);
    assert.deepEqual(said([a]), [1]);
    assert.deepEqual(said([a, b, c]), [1, 2, 3]);
    assert.deepEqual(said([]), []);
  }
  assert.deepEqual(said([a, open]), [1, 4]);
  open.n = 5;
  assert.deepEqual(said([a, open]), [1, 5]);
  const grown = [a, b];
  said(grown);
  grown.push(c);
  assert.deepEqual(said(grown), [1, 2, 3]);
});
