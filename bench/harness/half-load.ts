// Half of the load that a server reaches, on a machine that others use as well: it may be twice as fast in one moment as in the next,
// and half of the one is then all of the other. So what is reached is looked at before and after each round, and a round counts
// where the two agree.

import { progress } from "./report.ts";

/** By how much the slower of the two may be behind the faster. */
const steady = 0.75;
const mostTries = 4;
const fewest = 3;

export async function atHalfLoad<Round>({
  name,
  rounds,
  reach,
  pace,
}: {
  name: string;
  /** That count. */
  rounds: number;
  /** Answers a second under full load, now. */
  reach(): Promise<number>;
  pace(rate: number): Promise<Round>;
}): Promise<{ rates: number[]; counted: Round[] }> {
  const rates: number[] = [];
  const counted: Round[] = [];
  let tries = 0;
  let before = await reach();
  while (counted.length < rounds && tries < rounds * mostTries) {
    tries += 1;
    const rate = before / 2;
    const round = await pace(rate);
    const after = await reach();
    if (Math.min(before, after) >= steady * Math.max(before, after)) {
      rates.push(rate);
      counted.push(round);
    }
    before = after;
  }
  progress(`${name} at half load: the machine was steady in ${counted.length} of ${tries} rounds`);
  if (counted.length < fewest)
    throw new Error(
      "the machine is never as fast after a round as before it; measure when it has less to do",
    );
  return { rates, counted };
}
