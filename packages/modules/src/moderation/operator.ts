// What operators do about accounts, reports, applications and signing keys. Each act is in the log.

import { AppError } from "@signalbox/core/errors";
import type { TRPCRouterRecord } from "@trpc/server";
import { z } from "zod";
import {
  type AccountState,
  changeRole,
  createApplication,
  endSessions,
  listAccountStates,
  listActivity,
  listApplications,
  listKeys,
  listSessionsOf,
  readAccountState,
  readAccountStates,
  restoreAccount,
  revokeApplication,
  rotateKeys,
  suspendAccount,
  userIdByEmail,
  userIdByPhone,
} from "../auth/index.ts";
import { ActivityList, SessionList } from "../auth/schema.ts";
import { noteAct } from "../control/note.ts";
import { OperatorPage } from "../control/schema.ts";
import type { Said } from "../control/why.ts";
import type { AsOperator } from "../ctx.ts";
import { listMailbox, MailboxList } from "../mail/index.ts";
import { operatorProcedure } from "../trpc.ts";
import { findAccount, readPeople, userIdsByStart } from "../users/index.ts";
import { aliasOf, knownAlias } from "../vault.ts";
import { decideCase, listCases } from "./queue.ts";
import { listReports, resolveReport } from "./reports.ts";
import {
  ActivityQuery,
  ApplicationList,
  ByUser,
  CaseList,
  CaseQuery,
  CreateApplication,
  Decide,
  Decided,
  ForUser,
  KeyList,
  KeysRotated,
  NewApplication,
  OperatorReportQuery,
  Report,
  ReportList,
  Resolve,
  RevokeApplication,
  RotateKeys,
  SetRole,
  UserItem,
  UserList,
  UserQuery,
  UserSessionsQuery,
} from "./schema.ts";

const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

async function findId(ctx: AsOperator, user: string): Promise<string | undefined> {
  if (idForm.test(user)) return user.toLowerCase();
  if (/^\+\d+$/.test(user)) return userIdByPhone(ctx, user);
  const text = user.replace(/^@/, "").toLowerCase();
  return text.includes("@") ? userIdByEmail(ctx, text) : (await findAccount(ctx, { handle: text }))?.id;
}

async function idOf(ctx: AsOperator, user: string): Promise<string> {
  const id = await findId(ctx, user);
  if (id === undefined) throw new AppError("not_found", `there is no user ${user}`);
  await readAccountState(ctx, id);
  return id;
}

async function named(ctx: AsOperator, states: AccountState[]): Promise<z.infer<typeof UserItem>[]> {
  const people = await readPeople(
    ctx,
    states.map(({ id }) => id),
  );
  return states.map((state) => ({
    ...state,
    handle: people.get(state.id)?.handle ?? null,
    displayName: people.get(state.id)?.displayName ?? null,
  }));
}

const foundAtMost = 50;

async function listUsers(ctx: AsOperator, { q, limit = 1_000, cursor }: z.infer<typeof UserQuery>) {
  if (q !== undefined && q !== "") {
    const id = await findId(ctx, q);
    const ids = [
      ...new Set([...(id === undefined ? [] : [id]), ...(await userIdsByStart(ctx, q, foundAtMost))]),
    ];
    const states = new Map((await readAccountStates(ctx, ids)).map((state) => [state.id, state]));
    const found = ids.flatMap((id) => states.get(id) ?? []);
    return { items: await named(ctx, found), nextCursor: null };
  }
  const page = await listAccountStates(ctx, { limit, cursor });
  return { ...page, items: await named(ctx, page.items) };
}

/**
 * Does it, keeps it in the log with what was before, and answers how the account stands now. The log can not be edited when that
 * account is erased, so it knows it by an alias only.
 */
async function act(
  ctx: AsOperator,
  kind: string,
  { user, ...why }: { user: string } & Said,
  work: (id: string) => Promise<unknown>,
) {
  const id = await idOf(ctx, user);
  const { role, suspendedAt } = await readAccountState(ctx, id);
  const alias = await aliasOf(ctx, id);
  await work(id);
  const state = await readAccountState(ctx, id);
  await noteAct(ctx, kind, alias, why, {
    before: { role, suspendedAt },
    after: { role: state.role, suspendedAt: state.suspendedAt },
  });
  return (await named(ctx, [state]))[0]!;
}

export const operatorAccounts = {
  users: {
    list: operatorProcedure
      .meta({ rest: "GET /users", summary: "Accounts, newest first, or those that `q` names" })
      .input(UserQuery)
      .output(UserList)
      .query(({ ctx, input }) => listUsers(ctx, input)),
    read: operatorProcedure
      .meta({ rest: "GET /users/{user}", summary: "One account" })
      .input(ByUser)
      .output(UserItem)
      .query(async ({ ctx, input }) => {
        const state = await readAccountState(ctx, await idOf(ctx, input.user));
        return (await named(ctx, [state]))[0]!;
      }),
    suspend: operatorProcedure
      .meta({
        rest: "POST /users/{user}/suspend",
        role: "operator",
        summary: "Suspend an account, and end its sessions",
      })
      .input(ForUser)
      .output(UserItem)
      .mutation(({ ctx, input }) =>
        act(ctx, "user.suspended", input, (id) => suspendAccount(ctx, id, input.reason)),
      ),
    restore: operatorProcedure
      .meta({ rest: "POST /users/{user}/restore", role: "operator", summary: "Lift a suspension" })
      .input(ForUser)
      .output(UserItem)
      .mutation(({ ctx, input }) => act(ctx, "user.restored", input, (id) => restoreAccount(ctx, id))),
    role: operatorProcedure
      .meta({
        rest: "PUT /users/{user}/role",
        role: "admin",
        summary: "Make someone a moderator, or a user again",
      })
      .input(SetRole)
      .output(UserItem)
      .mutation(({ ctx, input }) =>
        act(ctx, "user.role_changed", input, (id) => changeRole(ctx, id, input.role)),
      ),
    endSessions: operatorProcedure
      .meta({ rest: "POST /users/{user}/logout", role: "operator", summary: "End every session of a user" })
      .input(ForUser)
      .output(UserItem)
      .mutation(({ ctx, input }) => act(ctx, "user.sessions_ended", input, (id) => endSessions(ctx, id))),
  },
  sessions: {
    list: operatorProcedure
      .meta({ rest: "GET /users/{user}/sessions", summary: "Where a user is signed in" })
      .input(UserSessionsQuery)
      .output(SessionList)
      .query(async ({ ctx, input: { user, ...page } }) =>
        listSessionsOf(ctx, { ...page, userId: await idOf(ctx, user) }),
      ),
  },
  activity: {
    list: operatorProcedure
      .meta({ rest: "GET /activity", summary: "What happened to accounts, newest first" })
      .input(ActivityQuery)
      .output(ActivityList)
      .query(async ({ ctx, input: { user, ...page } }) =>
        listActivity(ctx, { ...page, ...(user === undefined ? {} : { userId: await idOf(ctx, user) }) }),
      ),
  },
  reports: {
    list: operatorProcedure
      .meta({ rest: "GET /reports", summary: "What users reported, oldest first" })
      .input(OperatorReportQuery)
      .output(ReportList)
      .query(({ ctx, input }) => listReports(ctx, input)),
    resolve: operatorProcedure
      .meta({ rest: "POST /reports/{id}/resolve", role: "operator", summary: "Decide about a report" })
      .input(Resolve)
      .output(Report)
      .mutation(async ({ ctx, input }) => {
        const report = await resolveReport(ctx, input);
        await noteAct(ctx, "report.resolved", input.id, input, {
          after: { resolution: input.resolution },
        });
        return report;
      }),
  },
  cases: {
    list: operatorProcedure
      .meta({
        rest: "GET /cases",
        summary: "Reports by what they are about, with what was reported: open ones, or those decided last",
      })
      .input(CaseQuery)
      .output(CaseList)
      .query(({ ctx, input }) => listCases(ctx, input)),
    decide: operatorProcedure
      .meta({
        rest: "POST /cases/decide",
        role: "operator",
        summary:
          "Dismiss all open reports of a post or person, or uphold them by taking the post away or suspending",
      })
      .input(Decide)
      .output(Decided)
      .mutation(async ({ ctx, input: { reason, incident, subject, ...acts } }) => {
        const decided = await decideCase(ctx, { reason, subject, ...acts });
        const { ownerId, ...outcome } = decided;
        const about = subject.kind === "post" ? subject.id : ((await knownAlias(ctx, subject.id)) ?? "gone");
        const owner = ownerId && ((await knownAlias(ctx, ownerId)) ?? null);
        await noteAct(
          ctx,
          "case.decided",
          about,
          { reason, incident },
          {
            after: { kind: subject.kind, ...acts, ...outcome, owner },
          },
        );
        return decided;
      }),
  },
  applications: {
    list: operatorProcedure
      .meta({ rest: "GET /applications", summary: "Programs that call for their users" })
      .input(OperatorPage)
      .output(ApplicationList)
      .query(({ ctx }) => listApplications(ctx)),
    create: operatorProcedure
      .meta({
        rest: "POST /applications",
        status: 201,
        role: "admin",
        summary: "Make a key; it is shown this once",
      })
      .input(CreateApplication)
      .output(NewApplication)
      .mutation(async ({ ctx, input: { reason, incident, ...input } }) => {
        const made = await createApplication(ctx, input);
        await noteAct(ctx, "application.created", made.id, { reason, incident }, { after: input });
        return made;
      }),
    revoke: operatorProcedure
      .meta({
        rest: "POST /applications/{id}/revoke",
        status: 204,
        role: "admin",
        summary: "Refuse a key from now on",
      })
      .input(RevokeApplication)
      .output(z.void())
      .mutation(async ({ ctx, input }) => {
        await revokeApplication(ctx, input.id);
        await noteAct(ctx, "application.revoked", input.id, input);
      }),
  },
  keys: {
    list: operatorProcedure
      .meta({ rest: "GET /keys", summary: "The keys that sign access tokens" })
      .input(OperatorPage)
      .output(KeyList)
      .query(async ({ ctx }) => ({ items: await listKeys(ctx), nextCursor: null })),
    rotate: operatorProcedure
      .meta({
        rest: "POST /keys/rotate",
        role: "admin",
        summary: "Publish the next signing key; nobody is signed out",
      })
      .input(RotateKeys)
      .output(KeysRotated)
      .mutation(async ({ ctx, input }) => {
        const { kid, signsFrom, before } = await rotateKeys(ctx, input);
        const after = { kid, signsFrom: signsFrom.toISOString(), immediately: input.immediately };
        await noteAct(ctx, "auth.keys.rotated", kid, input, { before: { kid: before }, after });
        return { kid, signsFrom: after.signsFrom };
      }),
  },
  mailbox: {
    list: operatorProcedure
      .meta({
        rest: "GET /mailbox",
        role: "operator",
        summary: "Mails of an install without a mail server, newest first",
      })
      .input(OperatorPage)
      .output(MailboxList)
      .query(({ ctx, input }) => listMailbox(ctx, input)),
  },
} satisfies TRPCRouterRecord;
