// What is asked in one moment, or while others are being answered, is answered together by the next question.

import { currentDeadline, type Deadline, onEnd } from "./resilience/deadline.ts";

export function createGather<Ask, Answer>(
  /** In the order of what was asked. Where it fails, it failed for each of them. */
  answer: (asked: Ask[]) => Promise<Answer[]>,
  {
    mostAtOnce = 100,
    mostUnderWay = 1,
    isDoubtful = () => false,
    endsWithCall = false,
  }: {
    mostAtOnce?: number;
    mostUnderWay?: number;
    /** While who answers may be away, each asks alone and is refused alone: behind a question that hangs nobody should wait. */
    isDoubtful?: () => boolean;
    /** Who asks is refused when his call has ended; what was not yet under way for him is not done. */
    endsWithCall?: boolean;
  } = {},
): (ask: Ask) => Promise<Answer> {
  type Waiting = {
    ask: Ask;
    deadline: Deadline | undefined;
    watch: Disposable | undefined;
    resolve(answer: Answer): void;
    reject(error: unknown): void;
  };
  let gathered: Waiting[] = [];
  let underWay = 0;
  let isDue = false;

  function begin(): void {
    isDue = false;
    if (endsWithCall) gathered = gathered.filter(isWanted);
    while (gathered.length > 0 && underWay < mostUnderWay) {
      const waiting = gathered.slice(0, mostAtOnce);
      gathered = gathered.slice(mostAtOnce);
      underWay += 1;
      void settle(waiting).finally(() => {
        underWay -= 1;
        begin();
      });
    }
  }

  function isWanted({ deadline, watch, reject }: Waiting): boolean {
    const why = deadline?.ended();
    if (why === undefined) return true;
    watch?.[Symbol.dispose]();
    reject(why);
    return false;
  }

  async function settle(waiting: Waiting[]): Promise<void> {
    try {
      const answers = await answer(waiting.map(({ ask }) => ask));
      for (const [at, { resolve }] of waiting.entries()) resolve(answers[at]!);
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
    for (const { watch } of waiting) watch?.[Symbol.dispose]();
  }

  return (ask) =>
    new Promise((resolve, reject) => {
      const deadline = endsWithCall ? currentDeadline() : undefined;
      deadline?.throwIfBarred();
      const watch = deadline && onEnd(deadline, reject);
      const one = { ask, deadline, watch, resolve, reject };
      if (isDoubtful()) {
        void settle([one]);
        return;
      }
      gathered.push(one);
      if (isDue || underWay >= mostUnderWay) return;
      isDue = true;
      setImmediate(begin);
    });
}
