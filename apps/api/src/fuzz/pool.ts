// What answers have told, so that requests can name what there is: whole things by their kind, and single names.

type Known = string | number;
/** One thing of an answer: its id, key, handle, hash, revision. */
export type Thing = Readonly<Record<string, Known>>;
export type Pool = ReturnType<typeof createPool>;

const kept = 40;
/** A name has no spaces in it; what people wrote is not sent back. */
const nameForm = /^(\*|[\w.:@-]{2,300})$/;
const isName = (value: unknown): value is Known =>
  typeof value === "string" ? nameForm.test(value) : Number.isInteger(value);
/** What is called one thing in answers and another in requests. */
const otherNames: Record<string, string> = { name: "entity", handle: "user", nextCursor: "cursor" };

export function createPool() {
  const names = new Map<string, Known[]>();
  const things = new Map<string, Thing[]>();

  function keep<T>(all: Map<string, T[]>, label: string, value: T): void {
    const values = all.get(label) ?? [];
    // Half are the first that were told, half the newest.
    if (values.length === kept) values.splice(kept / 2, 1);
    values.push(value);
    all.set(label, values);
  }

  /** `kind` is what the answer lists or is. */
  function learn(answer: unknown, kind: string | undefined, maker: string | undefined): void {
    if (typeof answer !== "object" || answer === null) return;
    const thing: Record<string, Known> = {};
    for (const [name, value] of Object.entries(answer)) {
      if (Array.isArray(value)) for (const item of value) learn(item, kind, maker);
      // Whoever wrote a post is no post.
      else if (typeof value === "object") learn(value, undefined, maker);
      else if (isName(value)) {
        thing[name] = value;
        for (const each of [name, otherNames[name]])
          if (each && !names.get(each)?.includes(value)) keep(names, each, value);
      }
    }
    if (kind === undefined || "items" in answer || Object.keys(thing).length === 0) return;
    keep(things, kind, thing);
    if (maker !== undefined) keep(things, `${kind} of ${maker}`, thing);
  }

  return {
    learn,
    set: (name: string, values: Known[]) => void names.set(name, values),
    named: (name: string): readonly Known[] => names.get(name) ?? [],
    things: (kind: string): readonly Thing[] => things.get(kind) ?? [],
    thingsOf: (kind: string, maker: string): readonly Thing[] => things.get(`${kind} of ${maker}`) ?? [],
  };
}
