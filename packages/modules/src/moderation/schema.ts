// What moderation takes and gives.

import { whyShape } from "@signalbox/control/settings";
import { z } from "zod";
import { Handle } from "../auth/schema.ts";
import { Page, pageOf } from "../page.ts";

const reason = z.string().trim().min(1).max(500);
const why = { reason, incident: whyShape.incident };

export const CreateReport = z.object({
  subject: z.object({ kind: z.enum(["user", "post"]), id: z.uuid() }),
  reason,
});
export const Report = z.object({
  id: z.string(),
  reporterId: z.string(),
  subject: z.object({ kind: z.enum(["user", "post"]), id: z.string() }),
  reason: z.string(),
  createdAt: z.string(),
  resolvedAt: z.string().nullable(),
  resolution: z.enum(["upheld", "dismissed"]).nullable(),
  resolvedFor: z.string().nullable(),
  resolvedBy: z.string().nullable(),
});
export const ReportMade = z.object({ id: z.string() });
const state = z.enum(["open", "resolved", "all"]).default("open");
export const ReportQuery = Page.extend({ state });
export const OperatorReportQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
  cursor: z.string().max(200).optional(),
  state,
});
export const ReportList = pageOf(Report);
export const Resolve = z.object({ id: z.uuid(), resolution: z.enum(["upheld", "dismissed"]), reason });
export const SuspendByHandle = z.object({ handle: Handle, reason });
export const RestoreByHandle = z.object({ handle: Handle, reason });

const user = z.string().min(1).max(254).describe("an id, a handle or an e-mail address");
export const ForUser = z.object({ user, ...why });
export const ByUser = z.object({ user });
export const SetRole = z.object({ user, role: z.enum(["user", "moderator"]), ...why });
export const UserQuery = z.object({
  q: z.string().max(254).optional().describe("an id, an e-mail address, or how a handle or name begins"),
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
  cursor: z.string().max(200).optional(),
});
export const UserItem = z.object({
  id: z.string(),
  handle: z.string().nullable(),
  displayName: z.string().nullable(),
  role: z.enum(["user", "moderator"]),
  suspendedAt: z.string().nullable(),
  suspendedFor: z.string().nullable(),
});
export const UserList = pageOf(UserItem);
export const ActivityQuery = z.object({
  user: user.optional(),
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
  cursor: z.string().max(200).optional(),
});
export const UserSessionsQuery = ActivityQuery.extend({ user });
export const KeyItem = z.object({
  kid: z.string(),
  state: z.enum(["next", "signing", "verifying", "retired"]),
  signsFrom: z.string(),
  createdAt: z.string(),
});
export const KeyList = pageOf(KeyItem);
export const RotateKeys = z.object({
  ...why,
  immediately: z
    .boolean()
    .default(false)
    .describe("a key was stolen: tokens of the old ones are refused at once, and everyone refreshes"),
});
export const KeysRotated = z.object({ kid: z.string(), signsFrom: z.string() });

export const CaseQuery = z.object({
  state: z.enum(["open", "decided"]).default("open"),
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
});
const subject = z.object({ kind: z.enum(["user", "post"]), id: z.string() });
/** All reports of one post or person. */
export const CaseItem = z.object({
  subject,
  reports: z.number().int(),
  reporters: z.number().int().describe("how many different people reported it"),
  post: z
    .object({ text: z.string(), createdAt: z.string(), editedAt: z.string().nullable() })
    .nullable()
    .describe("null: it is about a person, or the post is gone"),
  owner: UserItem.extend({ upheldBefore: z.number().int() })
    .nullable()
    .describe("who is reported, or wrote what is; null: gone"),
  said: z.array(z.object({ id: z.string(), by: z.string().nullable(), reason: z.string(), at: z.string() })),
  decisions: z.array(
    z.object({
      resolution: z.enum(["upheld", "dismissed"]),
      reason: z.string(),
      by: z.string(),
      at: z.string(),
    }),
  ),
});
export const CaseList = pageOf(CaseItem);
/** Neither is a dismissal. */
export const Decide = z.object({
  subject: subject.extend({ id: z.uuid() }),
  removePost: z.boolean().default(false),
  suspend: z.boolean().default(false).describe("the person, or whoever wrote the post"),
  ...why,
});
export const Decided = z.object({
  resolution: z.enum(["upheld", "dismissed"]),
  reports: z.number().int(),
  ownerId: z.string().nullable(),
});

const scope = z
  .string()
  .regex(/^(\*|[a-zA-Z]\w*(\.\w+){0,2})$/, "must be a procedure's name, a prefix of it, or *");
const origin = z
  .string()
  .refine(
    (text) => text === "*" || (URL.canParse(text) && new URL(text).origin === text),
    "must look like https://app.example.com, or *",
  );
export const CreateApplication = z.object({
  name: z.string().trim().min(1).max(100),
  origins: z.array(origin).max(50).default([]),
  scopes: z.array(scope).min(1).max(100),
  rate: z.number().int().min(1).max(100_000).optional().describe("calls a second"),
  burst: z.number().int().min(1).max(1_000_000).optional(),
  ...why,
});
export const Application = z.object({
  id: z.string(),
  name: z.string(),
  origins: z.array(z.string()),
  scopes: z.array(z.string()),
  rate: z.number().nullable(),
  burst: z.number().nullable(),
  createdBy: z.string(),
  createdAt: z.string(),
  revokedAt: z.string().nullable(),
});
export const NewApplication = Application.extend({ key: z.string().describe("shown this once") });
export const ApplicationList = pageOf(Application);
export const RevokeApplication = z.object({ id: z.uuid(), ...why });

export type CaseItem = z.infer<typeof CaseItem>;
export type UserItem = z.infer<typeof UserItem>;
export type Application = z.infer<typeof Application>;
export type NewApplication = z.infer<typeof NewApplication>;
