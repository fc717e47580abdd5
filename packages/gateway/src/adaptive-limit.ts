// How many calls at once still make sense, learned from how long they take: a gradient on latency, as in Netflix' limiter, over the
// latency that each procedure has in quiet times. It never probes, so nobody waits for the sake of a measurement.

export type LimitBounds = {
  /** Under pressure not fewer than this. */
  minInFlight: number;
  maxInFlight: number;
  /** So many times its quiet latency a call may take before fewer are let in. */
  tolerance: number;
};

const windowMs = 100;
const longWindowMs = 1_000;
const enoughSamples = 10;
/** Where it begins and what it comes back to; without pressure it does not go below. */
export const usualInFlight = 16;
/** Below this a longer time is noise: a pause of the collector, a neighbour on the machine. */
const quietFloorMs = 5;

class Baseline {
  quietMs = Number.NaN;
  count = 0;
  sum = 0;
  min = Number.POSITIVE_INFINITY;
}

export type AdaptiveLimit = ReturnType<typeof createAdaptiveLimit>;

export function createAdaptiveLimit({
  bounds,
  underPressure,
  now = performance.now.bind(performance),
}: {
  bounds: () => LimitBounds;
  /** Is something of this process used up: connections to the database, the processor? A slow part alone is no reason to go very low. */
  underPressure: () => boolean;
  now?: () => number;
}) {
  const baselines = new Map<string, Baseline>();
  let touched: Baseline[] = [];
  let limit = usualInFlight;
  let samples = 0;
  let windowFrom = now();
  let peak = 0;
  let reached = false;
  let ratio = 1;
  let pressed = false;

  function close(at: number): void {
    const elapsedMs = at - windowFrom;
    const { minInFlight, maxInFlight, tolerance } = bounds();
    const wasPressed = pressed;
    pressed = false;
    const isPressed = underPressure() || wasPressed;
    const floor = isPressed ? minInFlight : Math.max(minInFlight, usualInFlight);
    let sum = 0;
    let quiet = 0;
    for (const one of touched) {
      if (Number.isNaN(one.quietMs)) one.quietMs = one.min;
      sum += one.sum;
      quiet += one.count * Math.max(one.quietMs, quietFloorMs);
    }
    ratio = sum / quiet;
    if (ratio > tolerance) {
      // By Little's law: what this throughput would keep under way, were nobody waiting for anyone.
      const needed = quiet / elapsedMs;
      limit = Math.min(limit, Math.max(floor, needed * tolerance + Math.sqrt(needed)));
    } else if (reached) limit = limit * 1.2 + 1;
    else if (limit < usualInFlight) limit = limit * 1.1 + 0.5;
    else limit = Math.max(usualInFlight, Math.min(limit, Math.max(2 * peak, limit * 0.95)));
    limit = Math.max(minInFlight, Math.min(maxInFlight, limit));
    learn(!reached && !isPressed, limit <= floor);
    for (const one of touched) {
      one.count = 0;
      one.sum = 0;
      one.min = Number.POSITIVE_INFINITY;
    }
    touched = [];
    samples = 0;
    windowFrom = at;
    peak = 0;
    reached = false;
  }

  /** A busy time teaches what is faster than thought, never what is slower; at the lowest limit nobody waits for anyone, so that counts. */
  function learn(isCalm: boolean, isLowest: boolean): void {
    for (const one of touched) {
      const mean = one.sum / one.count;
      const step = isCalm ? 0.05 : mean < one.quietMs ? 0.3 : isLowest ? 0.01 : 0;
      one.quietMs += step * (mean - one.quietMs);
    }
  }

  return {
    get limit() {
      return limit;
    },
    /** A call waits, because so many are under way. */
    reach() {
      reached = true;
      if (!pressed) pressed = underPressure();
    },
    sample(name: string, latencyMs: number, inFlight: number, at: number): void {
      let one = baselines.get(name);
      if (one === undefined) {
        one = new Baseline();
        baselines.set(name, one);
      }
      if (one.count === 0) touched.push(one);
      one.count += 1;
      one.sum += latencyMs;
      if (latencyMs < one.min) one.min = latencyMs;
      if (inFlight > peak) peak = inFlight;
      samples += 1;
      const elapsedMs = at - windowFrom;
      if (elapsedMs >= windowMs && (samples >= enoughSamples || elapsedMs >= longWindowMs)) close(at);
    },
    figures: () => ({ limit: Math.floor(limit), latencyRatio: Number(ratio.toFixed(2)) }),
  };
}
