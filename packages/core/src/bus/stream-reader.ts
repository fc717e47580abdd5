// Reads new entries for every partition that is held, and hands them to its lanes.

import type { Redis } from "../redis.ts";
import type { Link } from "./connection.ts";
import { decodeEvent } from "./envelope.ts";
import type { Holding } from "./holding.ts";
import type { BusKeys } from "./keys.ts";
import type { LaneEvent } from "./lane.ts";
import { isAfter } from "./stream-id.ts";

const readCount = 256;
/** How long a read of everything waits where nothing is new. */
export const blockMs = 2_000;

export function createStreamReader(given: {
  /** For waking a blocked read. */
  redis: Redis;
  keys: BusKeys;
  openBlocking(): Promise<Link>;
  holdings: Map<string, Holding>;
  isHeld(holding: Holding): boolean;
  ended: AbortSignal;
  /** Called after each read: positions may have moved. */
  onRead(): void;
}) {
  const { redis, keys, openBlocking, holdings, isHeld, ended, onRead } = given;
  let someWereFull = false;
  const readers: { wake(): void }[] = [];
  const wakeReaders = () => {
    for (const reader of readers) reader.wake();
  };

  async function readFrom(covers: (partition: number) => boolean, waitMs: number) {
    const blocking = await openBlocking();
    const number = waitMs < blockMs ? undefined : await blocking.redis.client("ID");
    let isBlocked = false;
    let rest: (() => void) | undefined;
    readers.push({
      wake() {
        rest?.();
        if (!isBlocked || number === undefined) return;
        isBlocked = false;
        redis.client("UNBLOCK", number).catch(() => {});
      },
    });
    while (!ended.aborted) {
      // Groups at the same place share one read, and one decoding.
      const wanted = new Map<string, { stream: string; head: string; holdings: Holding[] }>();
      someWereFull = false;
      for (const holding of holdings.values()) {
        const { lane, epoch, lease: mine } = holding;
        if (!lane || epoch === undefined || !isHeld(holding) || !covers(mine.partition)) continue;
        if (holding.subscription.options.isOff()) continue;
        if (lane.isFull) {
          someWereFull = true;
          continue;
        }
        const stream = keys.stream(mine.partition, epoch);
        const place = `${stream} ${lane.head}`;
        const known = wanted.get(place);
        if (known) known.holdings.push(holding);
        else wanted.set(place, { stream, head: lane.head, holdings: [holding] });
      }
      const places = [...wanted.values()];
      if (places.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 200);
          rest = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        rest = undefined;
        continue;
      }
      isBlocked = true;
      const found = await answered(blocking, waitMs, () =>
        blocking.redis.xread(
          "COUNT",
          readCount,
          "BLOCK",
          waitMs,
          "STREAMS",
          ...places.map(({ stream }) => stream),
          ...places.map(({ head }) => head),
        ),
      );
      isBlocked = false;
      let at = 0;
      for (const [stream, entries] of found ?? []) {
        const first = entries[0]?.[0];
        if (first === undefined) continue;
        // Answers keep the order of the question and leave out places with nothing new.
        while (at < places.length && !(places[at]!.stream === stream && isAfter(first, places[at]!.head)))
          at++;
        const place = places[at++];
        if (!place) continue;
        const events = entries.map(readEntry);
        for (const holding of place.holdings)
          if (holding.lane?.head === place.head && isHeld(holding) && !holding.subscription.options.isOff())
            holding.lane.take(events);
      }
      onRead();
    }
  }

  /** A server that is gone without a word leaves a blocked read waiting for ever. */
  async function answered<T>(blocking: Link, waitMs: number, read: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => blocking.close(), waitMs + 5_000);
    try {
      return await read();
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    readFrom,
    wake: wakeReaders,
    /** Lanes that were full may have room again. */
    wakeIfSomeWereFull() {
      if (someWereFull) wakeReaders();
    },
  };
}

export function readEntry([id, fields]: [id: string, fields: string[]]): LaneEvent {
  const [, text = "", , safeAt = "0"] = fields;
  return { id, safeAt: Number(safeAt), event: decodeEvent(text) };
}
