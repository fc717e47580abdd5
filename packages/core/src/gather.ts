// What is asked in one moment, or while others are being answered, is answered together by the next question.

export function createGather<Ask, Answer>(
  /** In the order of what was asked. Where it fails, it failed for each of them. */
  answer: (asked: Ask[]) => Promise<Answer[]>,
  {
    mostAtOnce = 100,
    mostUnderWay = 1,
    isDoubtful = () => false,
  }: {
    mostAtOnce?: number;
    mostUnderWay?: number;
    /** While who answers may be away, each asks alone and is refused alone: behind a question that hangs nobody should wait. */
    isDoubtful?: () => boolean;
  } = {},
): (ask: Ask) => Promise<Answer> {
  type Waiting = { ask: Ask; resolve(answer: Answer): void; reject(error: unknown): void };
  let gathered: Waiting[] = [];
  let underWay = 0;
  let isDue = false;

  function begin(): void {
    isDue = false;
    while (gathered.length > 0 && underWay < mostUnderWay) {
      const waiting = gathered.slice(0, mostAtOnce);
      gathered = gathered.slice(mostAtOnce);
      underWay += 1;
      void settle(waiting);
    }
  }

  async function settle(waiting: Waiting[]): Promise<void> {
    try {
      const answers = await answer(waiting.map(({ ask }) => ask));
      for (const [at, { resolve }] of waiting.entries()) resolve(answers[at]!);
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
    underWay -= 1;
    begin();
  }

  return (ask) =>
    new Promise((resolve, reject) => {
      if (isDoubtful()) {
        answer([ask]).then(([one]) => resolve(one!), reject);
        return;
      }
      gathered.push({ ask, resolve, reject });
      if (isDue || underWay >= mostUnderWay) return;
      isDue = true;
      setImmediate(begin);
    });
}
