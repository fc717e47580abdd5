// What users take and give. Pure, so that forms may import it.

import { z } from "zod";
import { Handle, Region } from "../auth/schema.ts";
import { Page, pageOf } from "../page.ts";
import { isUnseen } from "../unseen.ts";

export const ByHandle = z.object({ handle: Handle });
export const PageByHandle = Page.extend({ handle: Handle });

// Marks that turn the direction of what follows, and characters that nobody can see: a name with them can pass for another one.
const turning = /[\u202a-\u202e\u2066-\u2069]/u;
// Emoji need the variation selectors, and some scripts the joiners.
const unseen = /(?!\u200c|\u200d|\ufe0e|\ufe0f)[\p{Default_Ignorable_Code_Point}\u2028\u2029]/u;
// Beside a Latin letter a joiner only makes two equal words differ.
const joined = /[\w.-][\u200c\u200d]|[\u200c\u200d][\w.-]/u;
const control = /\p{Cc}/u;
const piled = /\p{M}{5,}/u;

/** Text of people: as they wrote it, in one spelling of each letter, and without what would trick a reader. */
const text = ({ mayBeEmpty, max, lines }: { mayBeEmpty: boolean; max: number; lines: boolean }) =>
  z
    .string()
    .max(max * 8, `must have at most ${max} characters`)
    .refine((given) => given.isWellFormed(), "must be whole Unicode characters")
    .transform((given) => given.replaceAll("\r\n", "\n").normalize("NFC").trim())
    .refine((given) => mayBeEmpty || !isUnseen(given), "must not be empty")
    .refine((given) => [...given].length <= max, `must have at most ${max} characters`)
    .refine(
      (given) => !control.test(lines ? given.replaceAll("\n", "") : given),
      lines ? "must not hold control characters" : "must be one line, without control characters",
    )
    .refine((given) => !turning.test(given), "must not turn the direction of text")
    .refine(
      (given) => lines || !(unseen.test(given) || joined.test(given)),
      "must not hold characters that nobody can see",
    )
    .refine((given) => !piled.test(given), "must not pile marks on one letter");

export const DisplayName = text({ mayBeEmpty: false, max: 50, lines: false });
export const Bio = text({ mayBeEmpty: true, max: 300, lines: true });

export const Link = z
  .string()
  .max(200, "must have at most 200 characters")
  .pipe(z.url({ protocol: /^https?$/, error: "must be an http or https address" }))
  .transform((link) => new URL(link).href)
  .refine((link) => {
    const { username, password } = new URL(link);
    return username === "" && password === "";
  }, "must not hold a user name or password");

/** Whoever sees it asks for it from there, so never in the clear. */
const Avatar = Link.refine((link) => link.startsWith("https:"), "must be an https address");

export const Locale = z
  .string()
  .max(35)
  .transform((tag, ctx) => {
    try {
      return Intl.getCanonicalLocales(tag)[0]!;
    } catch {
      ctx.addIssue({ code: "custom", message: "must be a language tag such as en or pt-BR" });
      return z.NEVER;
    }
  });

export const UpdateProfile = z.object({
  displayName: DisplayName.optional(),
  bio: Bio.optional(),
  avatar: Avatar.nullable().optional().describe("the https address of a picture; null: none"),
  links: z.array(Link).max(5, "must be at most 5 addresses").optional(),
  locale: Locale.optional(),
  handle: Handle.optional(),
  region: Region.nullable().optional(),
});

export const SearchPeople = z.object({
  q: z
    .string()
    .trim()
    .min(1, "must not be empty")
    .max(50, "must have at most 50 characters")
    .refine((given) => given.isWellFormed() && !control.test(given), "must be plain text"),
  limit: z.coerce.number().int().min(1).max(100).default(20),
});

/** What another user's post or list shows of a user. */
export const Person = z.object({
  id: z.string(),
  handle: z.string(),
  displayName: z.string(),
  avatar: z.string().nullable(),
});
export type Person = z.infer<typeof Person>;

export const Profile = Person.extend({
  bio: z.string(),
  links: z.array(z.string()),
  counts: z.object({ followers: z.number().int(), following: z.number().int() }),
  createdAt: z.string(),
});
export type Profile = z.infer<typeof Profile>;

/** What only its owner sees of it as well. */
export const OwnProfile = Profile.extend({ locale: z.string(), region: z.string().nullable() });
export type OwnProfile = z.infer<typeof OwnProfile>;

export const PersonList = pageOf(Person);
