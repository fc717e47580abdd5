// What users take and give. Pure, so that forms may import it.

import { z } from "zod";
import { Handle } from "../auth/schema.ts";
import { Page, pageOf } from "../page.ts";

export const ByHandle = z.object({ handle: Handle });
export const PageByHandle = Page.extend({ handle: Handle });

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
  createdAt: z.string(),
});
export const PersonList = pageOf(Person);
