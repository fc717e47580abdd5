// What limiters ask Redis. What is asked about several callers in one turn of the event loop is one question: most of what one costs,
// here and there, it costs however many it is about.

import { createGather } from "@signalbox/core/gather";
import { type Redis, writeNow } from "@signalbox/core/redis";
import { limitScripts, windowParts } from "./limit-scripts.ts";

export type LimitQuestion = {
  /** Names the limit and the caller. */
  name: string;
  quota: number;
  /** 0 for a sliding window: nothing comes back bit by bit. */
  ratePerMs: number;
  windowMs: number;
  /** Used without asking, or given back where negative. */
  spent: number;
  want: number;
};
export type LimitAnswer = { granted: number; left: number; opensMs: number };

type Script = (count: number, ...rest: (string | number)[]) => Promise<(string | number)[]>;
type Scripted = { signalboxTokenBucket: Script; signalboxSlidingWindow: Script };

/** Redis is busy with one question at a time: with so many it is for a fifth of a millisecond, in which nobody else is answered. */
export const mostTogether = 32;
const answerMs = 250;

/** Refuses what is not answered in time; whether it was heard is not known then. */
export function createLimitQuestions(redis: Redis): (question: LimitQuestion) => Promise<LimitAnswer> {
  redis.defineCommand("signalboxTokenBucket", { lua: limitScripts["token-bucket"] });
  redis.defineCommand("signalboxSlidingWindow", { lua: limitScripts["sliding-window"] });
  const scripted = redis as unknown as Scripted;
  // In a cluster each key has a place of its own.
  const settings = { mostAtOnce: redis.isCluster ? 1 : mostTogether, mostUnderWay: Number.POSITIVE_INFINITY };

  const askBuckets = together(
    (...asked) => scripted.signalboxTokenBucket(...asked),
    ({ name, ratePerMs }) => [name, ratePerMs],
  );
  const askWindows = together(
    (...asked) => scripted.signalboxSlidingWindow(...asked),
    ({ name, windowMs }) => [`${name}:window`, windowMs / windowParts],
  );

  function together(script: Script, keyAndPace: (question: LimitQuestion) => [key: string, pace: number]) {
    return createGather((asked: LimitQuestion[]) => {
      const keys: string[] = [];
      const rest: number[] = [];
      for (const question of asked) {
        const [key, pace] = keyAndPace(question);
        keys.push(key);
        rest.push(pace, question.quota, question.spent, question.want);
      }
      return ask(script(keys.length, ...keys, ...rest));
    }, settings);
  }

  async function ask(answer: Promise<(string | number)[]>): Promise<LimitAnswer[]> {
    writeNow(redis);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      // Where this process itself was held up, the answer lies in the socket: it is read before the immediate runs.
      timer = setTimeout(() => setImmediate(() => resolve(undefined)), answerMs);
    });
    try {
      const said = await Promise.race([answer, late]);
      if (said === undefined) {
        answer.catch(() => {});
        throw new Error("no answer");
      }
      const answers: LimitAnswer[] = [];
      for (let at = 0; at + 2 < said.length; at += 3)
        answers.push({
          granted: Number(said[at]),
          left: Number(said[at + 1]),
          opensMs: Number(said[at + 2]),
        });
      return answers;
    } finally {
      clearTimeout(timer);
    }
  }

  return (question) => (question.ratePerMs > 0 ? askBuckets : askWindows)(question);
}
