// JSON from outside: what cannot be read, or would reach a prototype, is malformed; what breaks a text column is invalid.

import { isUtf8 } from "node:buffer";
import { AppError } from "@signalbox/core/errors";

/** The text of a body. Bytes that are no UTF-8 would be stored as something that the caller did not send. */
export function readUtf8(body: Buffer, what: string): string {
  if (!isUtf8(body)) throw new AppError("malformed", `${what} is not UTF-8`);
  return body.toString("utf8");
}

// A \u escape may spell either name, so it sends the text the long way too.
const suspicious = /__proto__|constructor|\\u/;
const breaking = /\\u(?:0000|[dD][89a-fA-F])/;

/** No shape of ours is nearly as deep. */
const maxDepth = 100;
/** What is shorter than this is read in no time, however deep. */
const shortText = 4_096;

/** A megabyte of opening brackets would hold up everyone for as long as it takes to make as many objects. */
function refuseDeep(text: string, what: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at);
    if (sign === 0x22) {
      for (at++; at < text.length && text.charCodeAt(at) !== 0x22; at++)
        if (text.charCodeAt(at) === 0x5c) at++;
    } else if (sign === 0x5b || sign === 0x7b) {
      if (++depth > maxDepth)
        throw new AppError("malformed", `${what} nests more than ${maxDepth} levels deep`);
    } else if (sign === 0x5d || sign === 0x7d) depth--;
  }
}

/** `what` is how the refusal calls the text: "the body", "the input". */
export function parseJson(text: string, what: string): unknown {
  if (text.length > shortText) refuseDeep(text, what);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError("malformed", `${what} is not JSON: ${(error as Error).message}`);
  }
  if (suspicious.test(text)) refusePoison(value, what);
  // The bytes are UTF-8, so only an escape can spell what no text may hold.
  if (breaking.test(text)) refuseBroken(value);
  return value;
}

function refusePoison(root: unknown, what: string): void {
  for (const { value: at } of walk(root)) {
    if (typeof at !== "object" || at === null) continue;
    if (Object.hasOwn(at, "__proto__")) throw poison(what, "__proto__");
    if (Object.hasOwn(at, "constructor")) {
      const inner = (at as { constructor: unknown }).constructor;
      if (typeof inner === "object" && inner !== null && Object.hasOwn(inner, "prototype"))
        throw poison(what, "constructor.prototype");
    }
  }
}

function refuseBroken(root: unknown): void {
  for (const { value, field } of walk(root))
    for (const text of [field, value]) {
      if (typeof text !== "string") continue;
      if (text.includes("\0")) throw nulIn(field);
      if (!text.isWellFormed()) throw wrongText(field, "must be whole Unicode characters");
    }
}

/** Every value with its name. A loop and not a recursion: a deep text cannot run over the stack. */
function* walk(root: unknown): Generator<{ value: unknown; field: string }> {
  const open = [{ value: root, field: "" }];
  while (open.length > 0) {
    const at = open.pop()!;
    yield at;
    if (typeof at.value !== "object" || at.value === null) continue;
    // Long enough for any field that there is; a deep text does not make a name as long as itself at each step.
    for (const [name, value] of Object.entries(at.value))
      open.push({ value, field: (at.field ? `${at.field}.${name}` : name).slice(0, 200) });
  }
}

export const nulIn = (field: string) => wrongText(field, "must not hold a NUL character");

function wrongText(field: string, message: string): AppError {
  const name = field.replaceAll("\0", "\u2400").toWellFormed();
  return new AppError("invalid", name ? `${name}: ${message}` : message, {
    errors: [{ field: name, message }],
  });
}

const poison = (what: string, name: string) =>
  new AppError("malformed", `${what} has a field ${name}, which no request may set`);
