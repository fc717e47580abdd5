// What is wrong with a field and what it must be instead: every message that a schema does not word itself.

import { z } from "zod";

const kinds: Record<string, string> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
  date: "a date",
};

const formats: Record<string, string> = {
  email: "an e-mail address such as ann@example.com",
  url: "an address such as https://example.com/page",
  uuid: "a UUID such as 0190a8c0-5f3b-7c0e-8a51-1f09df668aa0",
  datetime: "an instant such as 2026-01-31T12:00:00Z",
  date: "a date such as 2026-01-31",
  safeint: "a whole number",
};

/** Of what a size counts: `must have at most 3 items`. A number, a date and the like are compared, not counted. */
const counted: Record<string, string> = {
  string: "character",
  array: "item",
  set: "item",
  map: "item",
  file: "byte",
};

/** Named after the issue's own field: "limit: must be at most 100". */
function wordIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is required" : `must be ${kinds[issue.expected] ?? issue.expected}`;
    case "too_big":
      return wordSize(issue.origin, issue.maximum, issue.exact ? "exactly" : "at most", issue.inclusive);
    case "too_small":
      return wordSize(issue.origin, issue.minimum, issue.exact ? "exactly" : "at least", issue.inclusive);
    case "invalid_format":
      return wordFormat(issue);
    case "invalid_value":
      return `must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.map(String).join(", ")}`;
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    case "unrecognized_keys":
      return "is not known here; leave it out";
    case "invalid_union":
      return "has none of the forms that it may have here";
    case "invalid_key":
      return "has a name that is not allowed here";
    default:
      return undefined;
  }
}

function wordSize(
  origin: string,
  limit: number | bigint | Date,
  bound: "at most" | "at least" | "exactly",
  inclusive: boolean | undefined,
): string {
  const number = limit instanceof Date ? limit.toISOString() : limit.toLocaleString("en");
  const unit = counted[origin];
  if (unit) {
    if (bound === "at least" && Number(limit) === 1) return "must not be empty";
    return `must have ${bound} ${number} ${unit}${Number(limit) === 1 ? "" : "s"}`;
  }
  if (origin === "date") return `must be ${bound === "at most" ? "at or before" : "at or after"} ${number}`;
  if (inclusive === false) return `must be ${bound === "at most" ? "less" : "more"} than ${number}`;
  return `must be ${bound} ${number}`;
}

function wordFormat(issue: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidStringFormat>): string {
  const { format } = issue;
  if (format === "starts_with") return `must begin with ${issue.prefix}`;
  if (format === "ends_with") return `must end with ${issue.suffix}`;
  if (format === "includes") return `must contain ${issue.includes}`;
  if (format === "regex") return `must match ${issue.pattern}`;
  return `must be ${formats[format] ?? `a valid ${format}`}`;
}

z.config({ customError: wordIssue });
