// JSON from outside: what cannot be read, or would reach a prototype or break a text column, is refused as malformed.

import { AppError } from "@signalbox/core/errors";

// A \u escape may spell either name, so it sends the text the long way too.
const suspicious = /__proto__|constructor|\\u/;
const nul = /(?:^|[^\\])(?:\\\\)*\\u0000/;

/** `what` is how the refusal calls the text: "the body", "the input". */
export function parseJson(text: string, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError("malformed", `${what} is not JSON: ${(error as Error).message}`);
  }
  if (suspicious.test(text)) refusePoison(value, what);
  if (text.includes("\\u0000") && nul.test(text))
    throw new AppError("malformed", `${what} holds a NUL character`);
  return value;
}

/** A loop and not a recursion: a deep text cannot run over the stack. */
function refusePoison(root: unknown, what: string): void {
  const open = typeof root === "object" && root !== null ? [root] : [];
  while (open.length > 0) {
    const at = open.pop()!;
    if (Object.hasOwn(at, "__proto__")) throw poison(what, "__proto__");
    if (Object.hasOwn(at, "constructor")) {
      const inner = (at as { constructor: unknown }).constructor;
      if (typeof inner === "object" && inner !== null && Object.hasOwn(inner, "prototype"))
        throw poison(what, "constructor.prototype");
    }
    for (const value of Object.values(at)) if (typeof value === "object" && value !== null) open.push(value);
  }
}

const poison = (what: string, name: string) =>
  new AppError("malformed", `${what} has a field ${name}, which no request may set`);
