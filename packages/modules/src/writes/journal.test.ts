import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openJournal } from "./journal.ts";
import { takeFolder } from "./lock.ts";

const scratch = (t: { after(run: () => void): void }) => {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-journal-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

test("what was appended is found in its order; what was half written is cut off, and appending goes on behind it", async (t) => {
  const path = join(scratch(t), "deep", "journal");
  const first = await openJournal<{ n: number }>(path);
  await Promise.all(Array.from({ length: 500 }, (_, n) => first.append({ n })));
  await first.close();
  appendFileSync(path, '0badc0de {"n":500}\n12345678 {"n":5');
  const second = await openJournal<{ n: number }>(path);
  assert.deepEqual(
    second.found.map(({ n }) => n),
    Array.from({ length: 500 }, (_, n) => n),
  );
  await second.append({ n: 1_000 });
  await second.rewrite([{ n: 7 }]);
  await second.append({ n: 8 });
  await second.close();
  const third = await openJournal<{ n: number }>(path);
  assert.deepEqual(third.found, [{ n: 7 }, { n: 8 }]);
  await third.close();
  // Whatever is damaged at whatever byte, no record comes out that did not go in.
  const good = readFileSync(path);
  for (let at = 0; at < good.length; at += 1) {
    const bad = Buffer.from(good);
    bad[at]! ^= 0x55;
    writeFileSync(path, bad);
    const journal = await openJournal<{ n: number }>(path);
    assert.ok(journal.found.every(({ n }, place) => n === 7 + place));
    await journal.close();
  }
});

test("kill -9 loses nothing that was said to be there", async (t) => {
  const path = join(scratch(t), "journal");
  const program = `
    const { openJournal } = await import(${JSON.stringify(new URL("./journal.ts", import.meta.url).href)});
    const journal = await openJournal(${JSON.stringify(path)});
    let n = journal.found.length;
    const lane = async () => { for (;;) { const mine = n++; await journal.append({ mine }); process.stdout.write(mine + "\\n"); } };
    for (let lanes = 0; lanes < 4; lanes += 1) lane();`;
  const told = new Set<number>();
  for (let round = 0; round < 4; round += 1) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.split("\n").length > 40) child.kill("SIGKILL");
    });
    await once(child, "close");
    for (const line of text.split("\n").slice(0, -1)) told.add(Number(line));
    const journal = await openJournal<{ mine: number }>(path);
    const kept = new Set(journal.found.map(({ mine }) => mine));
    assert.deepEqual(
      [...told].filter((n) => !kept.has(n)),
      [],
    );
    await journal.close();
  }
  assert.ok(told.size >= 160);
});

test("of two who want a folder one has it, until it ends or is gone", (t) => {
  const folder = scratch(t);
  // A process that is alive, and not this one.
  writeFileSync(join(folder, "lock"), String(process.ppid));
  assert.equal(takeFolder(folder), undefined);
  writeFileSync(join(folder, "lock"), "999999999");
  const lock = takeFolder(folder);
  assert.ok(lock);
  assert.equal(readFileSync(join(folder, "lock"), "utf8"), String(process.pid));
  lock.release();
});
