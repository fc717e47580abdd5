// Quantiles within 1 % of the true value, from counts that add up: sketches of many processes and slots merge exactly.

const accuracy = 0.01;
const gamma = (1 + accuracy) / (1 - accuracy);
const perLog = 1 / Math.log(gamma);
// A microsecond to about two minutes, in milliseconds; what lies beyond counts as the nearest end.
const lowestBin = Math.floor(Math.log(0.001) * perLog);
const binCount = Math.ceil(Math.log(120_000) * perLog) - lowestBin + 1;

/** How many values fell into each logarithmic bin. */
export type Sketch = Uint32Array;

export const newSketch = (): Sketch => new Uint32Array(binCount);

export function addToSketch(sketch: Sketch, value: number): void {
  // Also NaN and negative durations, which clocks do produce, land in the first bin.
  const bin = value > 0.001 ? Math.ceil(Math.log(value) * perLog) - lowestBin : 0;
  sketch[bin < binCount ? bin : binCount - 1]! += 1;
}

export function mergeSketch(into: Sketch, from: Sketch): void {
  for (let bin = 0; bin < binCount; bin++) into[bin]! += from[bin]!;
}

/** The middle of a bin, off by at most 1 % from anything in it. */
const middleOf = (bin: number): number => (2 * gamma ** (bin + lowestBin)) / (gamma + 1);

/** Each asked quantile, or null where nothing was counted. */
export function quantiles(sketch: Sketch, asked: number[]): (number | null)[] {
  let total = 0;
  for (const count of sketch) total += count;
  if (total === 0) return asked.map(() => null);
  return asked.map((q) => {
    const rank = q * (total - 1);
    let seen = 0;
    for (let bin = 0; bin < binCount; bin++) {
      seen += sketch[bin]!;
      if (seen > rank) return middleOf(bin);
    }
    return middleOf(binCount - 1);
  });
}

/** How many values were at most this large, as exactly as the bins allow. */
export function countUpTo(sketch: Sketch, value: number): number {
  const last = Math.floor(Math.log(value) * perLog + 1e-9) - lowestBin;
  let count = 0;
  for (let bin = 0; bin <= last && bin < binCount; bin++) count += sketch[bin]!;
  return count;
}

/** Gaps and counts of the filled bins: small, and the same for the same contents. */
export function packSketch(sketch: Sketch): number[] {
  const packed: number[] = [];
  let last = 0;
  for (let bin = 0; bin < binCount; bin++) {
    const count = sketch[bin]!;
    if (count === 0) continue;
    packed.push(bin - last, count);
    last = bin;
  }
  return packed;
}

export function mergePacked(into: Sketch, packed: number[]): void {
  let bin = 0;
  for (let at = 0; at + 1 < packed.length; at += 2) {
    bin += packed[at]!;
    if (bin >= 0 && bin < binCount) into[bin]! += packed[at + 1]!;
  }
}
