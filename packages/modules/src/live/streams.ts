// Live streams: what is new for a user, as it comes, until he leaves. A stream holds a place in memory and nothing else: it asks
// the modules by short ordinary calls whenever it is woken, and now and then in any case. So it is no call under way, it goes
// on while Redis is away, over a gateway as in one process, and a mark is enough to continue it anywhere.

import type { Live } from "@signalbox/control/live";
import { AppError } from "@signalbox/core/errors";
import { idTime } from "@signalbox/core/ids";
import { listen } from "@signalbox/core/listen";
import type { Logger } from "@signalbox/core/log";
import type { Family } from "@signalbox/core/metrics";
import type { Redis } from "@signalbox/core/redis";
import { isDatabaseAway } from "@signalbox/db";
import type { Revocations } from "../auth/revocations.ts";
import type { AsUser } from "../ctx.ts";
import { foreignMark, type LivePage, openMark, startMark } from "./mark.ts";
import { sayGone, sayLive, wakeChannel } from "./wake.ts";

export type LiveEvent =
  /** Where to continue, said before anything else is new. */
  | { event: "ready"; id: string; data: { resumed: boolean } }
  | { event: "post"; id: string; data: unknown }
  | { event: "notification"; id: string; data: unknown }
  /** What lies before was too long ago to be caught up with: read the lists anew. */
  | { event: "reset"; data: { detail: string } }
  | { event: "end"; data: End }
  /** Says nothing, and keeps the connection alive. */
  | { event: "beat" };

type End = { code: string; detail: string; retryMs: number };

/** In the order of their marks in an event's id. */
export type LiveSource = {
  event: "post" | "notification";
  read(ctx: AsUser, after: string | undefined): Promise<LivePage<unknown>>;
};

export type LivePace = {
  /** A look in any case, while others tell us; and while nobody does. */
  toldMs: number;
  aloneMs: number;
  beatMs: number;
  /** Between two looks, however often it is woken. */
  restMs: number;
};
const usualPace: LivePace = { toldMs: 5_000, aloneMs: 1_500, beatMs: 15_000, restMs: 100 };
/** Further back a client reads its lists anew. */
const oldestMs = 24 * 3_600_000;
/** No longer than an access token lives: who stays comes back with a new one. */
const longestMs = 15 * 60_000;
const sayEveryMs = 20_000;
const watchEveryMs = 250;

export type Streams = {
  /** Resolves once it is clear that it can begin. */
  open(
    ctx: AsUser,
    lastEventId: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<AsyncGenerator<LiveEvent>>;
  families(): Family[];
  /** Ends all of them with a word on when to come back, and takes no more. */
  close(): Promise<void>;
};

type Stream = {
  userId: string;
  sessionId: string;
  openedAt: number;
  isWoken: boolean;
  ended: End | undefined;
  stir: (() => void) | undefined;
};

type Parts = {
  redis: Redis;
  log: Logger;
  live: Live;
  revocations: Pick<Revocations, "has">;
  sources: LiveSource[];
  pace?: Partial<LivePace>;
};

export function createStreams({ redis, log, live, revocations, sources, pace }: Parts): Streams {
  const { toldMs, aloneMs, beatMs, restMs } = { ...usualPace, ...pace };
  const streams = new Map<string, Set<Stream>>();
  const totals = { opened: 0, events: 0, ended: new Map<string, number>() };
  let count = 0;
  let isClosing = false;
  let whenEmpty: (() => void) | undefined;
  let listener: ReturnType<typeof listen> | undefined;
  let saying: NodeJS.Timeout | undefined;
  let watching: NodeJS.Timeout | undefined;

  const number = (key: "live.perUser" | "live.perInstance") => live.rules().number(key, Date.now());

  function end(stream: Stream, why: End): void {
    stream.ended ??= why;
    stream.stir?.();
  }

  function wake(userIds: string[]): void {
    for (const userId of userIds)
      for (const stream of streams.get(userId) ?? []) {
        stream.isWoken = true;
        stream.stir?.();
      }
  }

  /** With the first stream; a process without any listens to nothing. */
  function start(): void {
    if (listener) return;
    // What was said while the connection was lost is looked for once it is back; the first look may lie before it, too.
    listener = listen(redis, wakeChannel, {
      message: (text) => wake(text.split(" ")),
      ready() {
        say();
        wake([...streams.keys()]);
      },
    });
    saying = setInterval(say, sayEveryMs).unref();
    watching = setInterval(watch, watchEveryMs).unref();
  }

  function say(users = [...streams.keys()]): void {
    sayLive(redis, users).catch((error) => log.debug({ error }, "live users could not be named"));
  }

  function watch(): void {
    const nowMs = performance.now();
    for (const each of streams.values())
      for (const stream of each) {
        if (revocations.has(stream.sessionId))
          end(stream, { code: "unauthorized", detail: "this session was ended; sign in again", retryMs: 0 });
        else if (nowMs - stream.openedAt > longestMs)
          end(stream, { code: "renew", detail: "come back with a fresh access token", retryMs: soon(500) });
      }
  }

  function admit({ actor }: AsUser): Stream {
    if (isClosing || count >= number("live.perInstance"))
      throw new AppError("overloaded", "no more live streams fit here now; try again shortly", {
        retryAfterMs: soon(2_000),
      });
    const own = streams.get(actor.id) ?? new Set();
    const isFirst = own.size === 0;
    streams.set(actor.id, own);
    const most = number("live.perUser");
    const open = [...own].filter(({ ended }) => ended === undefined);
    for (const oldest of open.slice(0, Math.max(0, open.length + 1 - most)))
      end(oldest, {
        code: "replaced",
        detail: `a user has at most ${most} live streams; a newer one took this one's place`,
        retryMs: 0,
      });
    const stream: Stream = {
      userId: actor.id,
      sessionId: actor.sessionId,
      openedAt: performance.now(),
      isWoken: false,
      ended: undefined,
      stir: undefined,
    };
    own.add(stream);
    count += 1;
    totals.opened += 1;
    start();
    if (isFirst) say([actor.id]);
    return stream;
  }

  function release(stream: Stream): void {
    const own = streams.get(stream.userId);
    if (!own?.delete(stream)) return;
    count -= 1;
    if (stream.ended) totals.ended.set(stream.ended.code, (totals.ended.get(stream.ended.code) ?? 0) + 1);
    if (own.size === 0) {
      streams.delete(stream.userId);
      sayGone(redis, stream.userId).catch(() => {});
    }
    if (count === 0) whenEmpty?.();
  }

  /** Until it is woken, ended or left, or for so long. */
  function rest(stream: Stream, ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (stream.isWoken || stream.ended || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        stream.stir = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener("abort", done, { once: true });
      stream.stir = done;
    });
  }

  /** Each look is a call of its own: nothing of one is left on the next. */
  const asked = ({ toll: _toll, timeoutMs: _timeout, ...ctx }: AsUser): AsUser => ({
    ...ctx,
    answer: { headers: {} },
  });

  /** From now on; where that can not be told exactly, from a few seconds ago. */
  async function begin({ read }: LiveSource, ctx: AsUser): Promise<string> {
    try {
      return (await read(asked(ctx), undefined)).mark;
    } catch (error) {
      if (!isPartAway(error)) throw error;
      return startMark(Date.now());
    }
  }

  async function* flow(
    ctx: AsUser,
    stream: Stream,
    begun: string[],
    { isResumed, isReset }: { isResumed: boolean; isReset: boolean },
    signal: AbortSignal | undefined,
  ): AsyncGenerator<LiveEvent> {
    const marks = [...begun];
    const place = () => marks.join(".");
    const goesOn = () => !signal?.aborted && stream.ended === undefined;
    let saidAt = performance.now();
    let lookAt = 0;
    let failures = 0;
    try {
      if (isReset)
        yield { event: "reset", data: { detail: "too much time has passed; read the lists anew" } };
      yield { event: "ready", id: place(), data: { resumed: isResumed } };
      while (goesOn()) {
        if (stream.isWoken || performance.now() >= lookAt) {
          stream.isWoken = false;
          const lookedAt = performance.now();
          let [more, isAway] = [false, false];
          for (const [at, source] of sources.entries()) {
            try {
              const page = await source.read(asked(ctx), marks[at]);
              for (const { mark, item } of page.items) {
                if (!goesOn()) break;
                marks[at] = mark;
                totals.events += 1;
                saidAt = performance.now();
                yield { event: source.event, id: place(), data: item };
              }
              if (!goesOn()) break;
              marks[at] = page.mark;
              more ||= page.more;
            } catch (thrown) {
              const stop = endOf(thrown);
              if (stop) end(stream, stop);
              else log.debug({ error: thrown, requestId: ctx.requestId }, "a live stream looks again soon");
              // A place that did not move loses nothing: what can not be read now is read later.
              isAway = true;
            }
          }
          failures = isAway ? failures + 1 : 0;
          const told = listener?.connected;
          const waitMs = isAway ? Math.min(250 * 2 ** failures, 8_000) : told ? toldMs : aloneMs;
          lookAt = more ? 0 : performance.now() + spread(waitMs);
          if (goesOn() && !more) await pause(restMs - (performance.now() - lookedAt));
          continue;
        }
        if (performance.now() - saidAt >= beatMs) {
          saidAt = performance.now();
          yield { event: "beat" };
        }
        const untilMs = Math.min(lookAt, saidAt + beatMs) - performance.now();
        await rest(stream, Math.max(1, untilMs), signal);
      }
      if (stream.ended && !signal?.aborted) yield { event: "end", data: stream.ended };
    } finally {
      release(stream);
    }
  }

  return {
    async open(ctx, lastEventId, signal) {
      const given = lastEventId === undefined ? undefined : openPlace(lastEventId, sources.length);
      const isReset =
        given?.some((mark) => Date.now() - idTime(openMark(mark).after).getTime() > oldestMs) ?? false;
      const stream = admit(ctx);
      // Also where nobody comes to listen any more.
      signal?.addEventListener("abort", () => release(stream), { once: true });
      try {
        const marks =
          given && !isReset ? given : await Promise.all(sources.map((source) => begin(source, ctx)));
        return flow(ctx, stream, marks, { isResumed: given !== undefined && !isReset, isReset }, signal);
      } catch (error) {
        release(stream);
        throw error;
      }
    },
    families: () => [
      {
        name: "signalbox_live_streams",
        help: "Live streams that are open here.",
        type: "gauge",
        samples: [{ value: count }],
      },
      {
        name: "signalbox_live_streams_opened_total",
        help: "Live streams that were opened here.",
        type: "counter",
        samples: [{ value: totals.opened }],
      },
      {
        name: "signalbox_live_streams_ended_total",
        help: "Live streams that were ended from here, by why.",
        type: "counter",
        samples: [...totals.ended].map(([code, value]) => ({ labels: { code }, value })),
      },
      {
        name: "signalbox_live_events_total",
        help: "Posts and notifications that were given to live streams.",
        type: "counter",
        samples: [{ value: totals.events }],
      },
    ],
    async close() {
      isClosing = true;
      for (const each of streams.values())
        for (const stream of each)
          end(stream, { code: "leaving", detail: "this instance is going; come back", retryMs: soon(3_000) });
      if (count > 0)
        await Promise.race([
          new Promise<void>((resolve) => {
            whenEmpty = resolve;
          }),
          pause(closeMs),
        ]);
      clearInterval(saying);
      clearInterval(watching);
      listener?.close();
    },
  };
}

const closeMs = 2_000;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, ms)));
/** Spread, so that those who were sent away together do not come back together. */
const soon = (ms: number) => 250 + Math.floor(Math.random() * ms);
const spread = (ms: number) => ms * (0.8 + Math.random() * 0.4);

function openPlace(text: string, parts: number): string[] {
  const marks = text.split(".");
  if (marks.length !== parts) throw foreignMark();
  for (const mark of marks) openMark(mark);
  return marks;
}

/** What will not be otherwise in a moment ends the stream; all else passes by itself. */
function endOf(thrown: unknown): End | undefined {
  const { code, message: detail, retryAfterMs } = refusalIn(thrown) ?? {};
  if (code === "disabled") return { code, detail: detail ?? "", retryMs: retryAfterMs ?? 30_000 };
  if (code === "unauthorized" || code === "forbidden") return { code, detail: detail ?? "", retryMs: 0 };
  return undefined;
}

const isPartAway = (thrown: unknown) => isDatabaseAway(thrown) || refusalIn(thrown)?.code === "unavailable";

function refusalIn(thrown: unknown): AppError | undefined {
  for (let at: unknown = thrown; at instanceof Error; at = at.cause) if (at instanceof AppError) return at;
  return undefined;
}
