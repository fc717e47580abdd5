// What a field of a common name means, and an example of it, where its own schema does not say.

type Json = Record<string, unknown>;

const id = "01a1fc77-8eff-765a-bb75-17ca7829d254";
const words: Record<string, [description: string, example?: unknown]> = {
  id: ["What it is about"],
  handle: ["The name in addresses: letters, digits and _, in any case", "ann"],
  email: ["An address that mail reaches", "ann@example.com"],
  phone: ["A telephone number with its country code; null takes it away", "+49301234567"],
  password: ["At least 10 characters where it is chosen", "a phrase of my own"],
  current: ["The password until now", "a phrase of my own"],
  login: ["The handle or the e-mail address", "ann"],
  code: ["Of the second factor", "123456"],
  token: ["As it was sent or shown, once", "eyJ0eXAi"],
  refreshToken: ["The newest one of the session", "sbr_AZr8d47_dlq7dRfKeCnSVA"],
  limit: ["How many at most"],
  cursor: ["`nextCursor` of the page before; absent: the first page", "MDFhMWZjNzctOGVmZi03NjVh"],
  lastEventId: ["The id of the last event that was taken", "MDFhMWZjNzctOGVmZi03NjVh"],
  text: ["What it says", "hello"],
  displayName: ["The name that others see", "Ann"],
  bio: ["A few words on oneself", "I write about trains."],
  links: ["Addresses of pages, in order", ["https://example.com/"]],
  locale: ["A language tag", "en"],
  region: ["Where its owner lives, by ISO 3166-1; only the owner sees it", "DE"],
  subject: ["The account or post that it is about", { kind: "post", id }],
  reason: ["Why, for those who ask later", "asked for by support, ticket 4711"],
  resolution: ["What was decided"],
  state: ["Which ones, or which it shall be"],
  key: ["A switch, limit or procedure: `<module>.<noun>.<verb>`, a prefix of that, or *", "feed.post.create"],
  message: ["What callers read in the refusal", "Posting is paused for some minutes."],
  expiresAt: ["When it reverts by itself; absent or null: never", "2027-01-31T12:00:00Z"],
  at: ["An instant: the state then", "2027-01-31T12:00:00Z"],
  rate: ["How many a second", 200],
  burst: ["How many at once after a pause", 1_000],
  entity: ["A kind of thing that is cached", "users.profile"],
  module: ["A module, or a kind of thing that is cached", "users"],
  prefix: ["What names begin with; * is all of them", "users"],
  l1Ms: ["How long a process keeps it in memory", 5_000],
  l2Ms: ["How long Redis keeps it", 60_000],
  negativeMs: ["How long it is remembered that there is nothing", 5_000],
  staleMs: ["How long an old value may still be shown while it is read anew", 30_000],
  cdnSeconds: ["How long caches on the way may keep it", 5],
  window: ["The last so long"],
  by: ["What is summed up in a line"],
  queue: ["A queue or consumer group", "feed"],
  topic: ["The name of an event", "post.created"],
  all: ["Every one of them"],
  user: ["An id, a handle or an e-mail address", "ann"],
  role: ["What the account may do"],
  removePost: ["Whether the post goes as well"],
  name: ["How people call it", "a shop"],
  origins: ["Where its pages are served from; * for anywhere", ["https://shop.example.com"]],
  scopes: ["What it may call: modules, prefixes or procedures, or *", ["feed", "users.profile.read"]],
};

/** The schema with a description and an example, its own before ours. */
export function explain(name: string, schema: Json): Json {
  const [description, usual] = words[name] ?? [];
  const example = mayBe(schema, usual) ? usual : undefined;
  const shown = {
    ...(description === undefined ? {} : { description }),
    ...(example === undefined ? {} : { examples: [example] }),
    ...schema,
  };
  return shown.examples === undefined && schema.$ref === undefined
    ? { ...shown, examples: [sampleOf(schema)] }
    : shown;
}

/** A name may stand for something else here: an id instead of a handle, a choice instead of words. */
function mayBe({ pattern, enum: choices, minimum, maximum }: Json, example: unknown): boolean {
  if (Array.isArray(choices)) return choices.includes(example);
  if (typeof example === "string")
    return pattern === undefined || new RegExp(String(pattern), "u").test(example);
  if (typeof example !== "number") return true;
  return example >= Number(minimum ?? example) && example <= Number(maximum ?? example);
}

/** Something that the schema takes. */
export function sampleOf(schema: Json): unknown {
  const { examples, type, format, anyOf, oneOf } = schema as Json & {
    examples?: unknown[];
    anyOf?: Json[];
    oneOf?: Json[];
  };
  if (examples?.length) return examples[0];
  for (const word of ["default", "const"]) if (schema[word] !== undefined) return schema[word];
  if (Array.isArray(schema.enum)) return schema.enum[0];
  const arm = (anyOf ?? oneOf)?.[0];
  if (arm) return sampleOf(arm);
  if (format === "uuid") return id;
  if (format === "date-time") return "2027-01-31T12:00:00Z";
  if (type === "integer" || type === "number") return schema.minimum ?? 1;
  if (type === "boolean") return true;
  if (type === "array") return Number(schema.minItems ?? 0) > 0 ? [sampleOf(schema.items as Json)] : [];
  if (type === "object") return sampleOfFields(schema.properties as Record<string, Json>);
  return type === "string" ? textLike(schema) : null;
}

/** A number where anything goes, else a key, a name or a time. */
const textLike = (schema: Json): string =>
  ["7", "feed.post.create", "feed", "09:00"].find((text) => mayBe(schema, text)) ?? "7";

export const sampleOfFields = (fields: Record<string, Json> = {}): Json =>
  Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, sampleOf(schema)]));
