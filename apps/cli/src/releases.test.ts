// The list of releases is what upgrades go by, so it must fit the tree that it is in.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { breakingStatements } from "./breaking-statements.ts";
import { migrationCount, type Release, readReleases, requireDirectUpgrade, upgradePath } from "./releases.ts";
import { platformVersion, root } from "./repository.ts";

test("the version of this tree is the last of the list, and can replace the one before", () => {
  const releases = readReleases();
  const [before, last] = releases.slice(-2);
  assert.equal(last!.version, platformVersion());
  assert.ok(last!.upgradesFrom.includes(before!.version));
  for (const { version, commit, schema } of releases.slice(0, -1)) {
    assert.match(commit ?? "", /^[0-9a-f]{40}$/, version);
    assert.ok(schema! <= migrationCount(), `${version} had more migrations than there are`);
  }
});

const releases: Release[] = [
  { version: "1", upgradesFrom: [] },
  { version: "2", upgradesFrom: ["1"] },
  { version: "3", upgradesFrom: ["2", "1"] },
  { version: "4", upgradesFrom: ["3", "2"] },
];

test("a jump goes the shortest way, one that is too far is refused with the stops, and there is no way back", () => {
  assert.deepEqual(upgradePath("2", "2", releases), []);
  assert.deepEqual(upgradePath("2", "4", releases), ["4"]);
  assert.deepEqual(upgradePath("1", "4", releases), ["2", "4"]);
  requireDirectUpgrade("1", "3", releases);
  assert.throws(() => requireDirectUpgrade("1", "4", releases), /too far/);
  assert.throws(() => upgradePath("4", "3", releases), /no way from 4 to 3/);
  assert.throws(() => upgradePath("0", "3", releases), /not one that this Signalbox knows/);
});

test("a statement that a running older version would not survive is seen", () => {
  const breaking = [
    'ALTER TABLE "a" DROP COLUMN "b";',
    'DROP TABLE "a";',
    'ALTER TABLE "a" RENAME COLUMN "b" TO "c";',
    'ALTER TABLE "a" RENAME TO "b";',
    'ALTER TABLE "a" ALTER COLUMN "b" SET NOT NULL;',
    'ALTER TABLE "a" ALTER COLUMN "b" SET DATA TYPE bigint;',
    'ALTER TABLE "a" ADD COLUMN "b" text NOT NULL;',
    'ALTER TABLE "a" ADD CONSTRAINT "c" UNIQUE("b");',
    'ALTER TABLE "a" ADD CONSTRAINT "c" FOREIGN KEY ("b") REFERENCES "d"("id");',
    'CREATE UNIQUE INDEX "i" ON "a" ("b");',
    "TRUNCATE a;",
    "delete from a;",
  ];
  for (const statement of breaking) assert.equal(breakingStatements(statement).length, 1, statement);
  const fine = [
    'CREATE TABLE "a" ("b" text NOT NULL, CONSTRAINT "c" UNIQUE("b"));',
    'CREATE TABLE "a" ("b" text);--> statement-breakpoint\nCREATE UNIQUE INDEX "i" ON "a" ("b");',
    'ALTER TABLE "a" ADD COLUMN "b" text;',
    'ALTER TABLE "a" ADD COLUMN "b" text DEFAULT \'\' NOT NULL;',
    'CREATE INDEX "i" ON "a" ("b");',
    'ALTER TABLE "a" ADD CONSTRAINT "c" CHECK (b > 0) NOT VALID;',
    '-- DROP TABLE "a" comes later',
    'DROP TABLE "a"; -- breaks nothing: no version that may still run reads it',
  ];
  for (const statement of fine) assert.deepEqual(breakingStatements(statement), [], statement);
});

test("no migration since the last release takes away what that release needs", () => {
  const since = readReleases().at(-2)!.schema!;
  const folder = join(root, "packages/db/migrations");
  const files = readdirSync(folder)
    .filter((name) => /^\d{4}_.*\.sql$/.test(name) && Number(name.slice(0, 4)) >= since)
    .sort();
  const found = files.flatMap((name) =>
    breakingStatements(readFileSync(join(folder, name), "utf8")).map((statement) => `${name}: ${statement}`),
  );
  assert.deepEqual(
    found,
    [],
    "the version before runs on beside the new one: add first, take away a release later, or say in a comment on the statement's line why nothing breaks: -- breaks nothing: WHY",
  );
});
