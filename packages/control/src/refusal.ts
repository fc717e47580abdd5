// What a caller reads where a switch is off: the gateway answers with it, and the console shows it before the flip.

const withoutEndMs = 30_000;
const longestMs = 3_600_000;

/** `endsInMs` is null where nobody knows the end. */
export const switchedOff = (message: string, endsInMs: number | null) => ({
  detail: message || "this is switched off for now; try again later",
  // Where the end is known, callers are told to come back then.
  retryAfterMs: Math.max(1_000, Math.min(endsInMs ?? withoutEndMs, longestMs)),
});
