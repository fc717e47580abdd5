// The log's second copy in a bucket: full files when they are done, the open one as it is twice a minute, under the name that it
// will have.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Bucket } from "./bucket.ts";
import { packSegment } from "./segments.ts";

const openEveryMs = 30_000;
const lookEveryMs = 1_000;
const longestPauseMs = 30_000;

export async function shipLog(
  folder: string,
  bucket: Bucket,
  signal: AbortSignal,
  failed: (error: unknown) => void,
  everyMs = openEveryMs,
): Promise<void> {
  let sent: Set<string> | undefined;
  let open = { name: "", at: 0, changed: 0 };
  for (
    let waitMs = lookEveryMs;
    !signal.aborted;
    await pause(waitMs, undefined, { signal }).catch(() => {})
  ) {
    try {
      if (!sent) {
        await bucket.make();
        sent = await sentBefore(bucket);
      }
      const names = readdirSync(folder);
      for (const name of names.filter((each) => /^[0-9A-F]{24}\.zst$/.test(each)).sort()) {
        if (sent.has(name)) continue;
        await bucket.putFile(`wal/${name}`, join(folder, name));
        sent.add(name);
      }
      const name = names
        .filter((each) => /^[0-9A-F]{24}\.partial$/.test(each))
        .sort()
        .at(-1);
      const changed = name ? statSync(join(folder, name)).mtimeMs : 0;
      if (name && (name !== open.name || changed !== open.changed) && Date.now() - open.at >= everyMs) {
        const bytes = packSegment(readFileSync(join(folder, name)));
        await bucket.put(`wal/${name.replace(".partial", ".zst")}`, bytes);
        open = { name, at: Date.now(), changed };
      }
      waitMs = lookEveryMs;
    } catch (error) {
      // Full in the midst of this, it is found under its new name the next time.
      if ((error as { code?: string }).code === "ENOENT") continue;
      failed(error);
      waitMs = Math.min(longestPauseMs, waitMs * 2);
    }
  }
}

/** What may have been the open one then is sent again. */
async function sentBefore(bucket: Bucket): Promise<Set<string>> {
  const names = (await bucket.list("wal/")).map(({ name }) => name.slice(4)).sort();
  return new Set(names.slice(0, -1));
}
