// Figures as an operator reads them at a glance: few digits, a unit, never a bare NaN.

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const none = "–";

const given = (value: number | null | undefined): value is number =>
  typeof value === "number" && Number.isFinite(value);

/** Two significant digits below ten, none above; thousands become k and M. */
export function compact(value: number | null | undefined): string {
  if (!given(value)) return none;
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.01) return "<0.01";
  if (size < 1) return trim(value.toFixed(2));
  if (size < 99.95) return trim(value.toFixed(1));
  if (size < 9_999.5) return whole.format(value);
  if (size < 999_500) return `${trim((value / 1_000).toFixed(size < 99_950 ? 1 : 0))}k`;
  return `${trim((value / 1_000_000).toFixed(1))}M`;
}

export const count = (value: number | null | undefined) => (given(value) ? whole.format(value) : none);

/** A share of 1 as a percentage; something that is not nothing never reads as 0. */
export function percent(share: number | null | undefined): string {
  if (!given(share)) return none;
  const value = share * 100;
  if (value === 0) return "0%";
  if (value < 0.01) return "<0.01%";
  if (value < 1) return `${trim(value.toFixed(2))}%`;
  if (value < 99.95 && value > 99) return `${trim(value.toFixed(2))}%`;
  return `${trim(value.toFixed(value < 10 ? 1 : 0))}%`;
}

export function milliseconds(value: number | null | undefined): string {
  if (!given(value)) return none;
  if (value < 1) return value === 0 ? "0 ms" : `${trim(Math.max(value, 0.01).toFixed(2))} ms`;
  if (value < 10) return `${trim(value.toFixed(1))} ms`;
  if (value < 999.5) return `${whole.format(value)} ms`;
  if (value < 59_950) return `${trim((value / 1_000).toFixed(value < 9_950 ? 2 : 1))} s`;
  return `${trim((value / 60_000).toFixed(1))} min`;
}

/** Memory as machines count it: `128 MB`, `1.5 GB`. */
export function bytes(value: number | null | undefined): string {
  if (!given(value)) return none;
  const mega = value / 1_048_576;
  if (mega < 1) return `${Math.ceil(value / 1_024)} kB`;
  return mega < 1_000 ? `${whole.format(mega)} MB` : `${trim((mega / 1_024).toFixed(1))} GB`;
}

/** `12 s`, `4 min`, `3 h`, `2 d`: the largest unit that fits, rounded down. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export const ago = (at: number, now: number) => (now - at < 1_500 ? "just now" : `${duration(now - at)} ago`);

export function until(at: number, now: number): string {
  const left = at - now;
  if (left <= 0) return "now";
  // Below two minutes the seconds matter.
  return left < 120_000 ? `in ${Math.ceil(left / 1_000)} s` : `in ${duration(left + 30_000)}`;
}

/** As a field for a date and a time has it, by the clock of this machine: `2026-11-21T14:05`. */
export function wallTime(at: number): string {
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** A name such as feed.post.create stays as it is. */
export const sentenceCase = (text: string) =>
  /^[\w-]+\.\w/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);

const trim = (text: string) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
