// Clocks on walls: the instant at which one in a given time zone shows a given time, summer time included.

const localForm = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})$/;
const dayMs = 86_400_000;

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Undefined: there is no such day or time. */
export function readLocal(local: string): number | undefined {
  const [, ...parts] = localForm.exec(local) ?? [];
  if (parts.length !== 5) return undefined;
  const [year, month, day, hour, minute] = parts.map(Number) as [number, number, number, number, number];
  const asUtc = Date.UTC(year, month - 1, day, hour, minute);
  return new Date(asUtc).toISOString().startsWith(local) ? asUtc : undefined;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** How far the clocks of a zone are ahead of UTC at an instant. */
function aheadMs(atMs: number, timeZone: string): number {
  let format = formats.get(timeZone);
  if (!format) {
    const two = "2-digit" as const;
    format = new Intl.DateTimeFormat("en-US", {
      ...{ timeZone, hourCycle: "h23", year: "numeric", month: two, day: two },
      ...{ hour: two, minute: two, second: two },
    });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(
    format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]),
  );
  const { year, month, day, hour, minute, second } = parts as Record<string, number>;
  const shown = Date.UTC(year!, month! - 1, day!, hour!, minute!, second!);
  return shown - Math.floor(atMs / 1_000) * 1_000;
}

/**
 * A time that clocks show twice is the earlier of the two; one that they leap over is as much later as they leap, so that a
 * schedule runs on that day too.
 */
export function instantOf(localAsUtc: number, timeZone: string): number {
  const [before, after] = [localAsUtc - dayMs, localAsUtc + dayMs].map((at) => aheadMs(at, timeZone)) as [
    number,
    number,
  ];
  const fits = [localAsUtc - before, localAsUtc - after]
    .filter((at) => at + aheadMs(at, timeZone) === localAsUtc)
    .sort((a, b) => a - b);
  return fits[0] ?? localAsUtc - before;
}

/** The first instant after `afterMs` at which a schedule is due; undefined: never again. */
export function nextDue(
  { at, timeZone, repeat }: { at: string; timeZone: string; repeat: "once" | "daily" | "weekly" },
  afterMs: number,
): number | undefined {
  const first = readLocal(at);
  if (first === undefined) return undefined;
  const stepMs = repeat === "weekly" ? 7 * dayMs : dayMs;
  const begins = instantOf(first, timeZone);
  if (begins > afterMs) return begins;
  if (repeat === "once") return undefined;
  // Days on the wall are counted in UTC, where none is longer than another; one more step covers any change of the clocks.
  let step = Math.max(0, Math.floor((afterMs - begins) / stepMs) - 1);
  while (instantOf(first + step * stepMs, timeZone) <= afterMs) step += 1;
  return instantOf(first + step * stepMs, timeZone);
}
