// What operators can do about personal data. Each act is in the log, under the id of its request: a log that nobody can edit
// must not name whom it erased.

import { AppError } from "@signalbox/core/errors";
import type { TRPCRouterRecord } from "@trpc/server";
import type { z } from "zod";
import { emailOf } from "../auth/personal.ts";
import { noteAct } from "../control/note.ts";
import type { AsOperator } from "../ctx.ts";
import { operatorProcedure } from "../trpc.ts";
import { rewrapKeys } from "../vault.ts";
import { beginErasure, beginExport, findUser, idForm, listRequests, readRequest } from "./requests.ts";
import {
  ByRequest,
  ForUser,
  PersonalRequest,
  RequestList,
  RequestQuery,
  Rewrapped,
  SearchUser,
  Traces,
} from "./schema.ts";
import { findTraces } from "./traces.ts";

type For = z.infer<typeof ForUser>;

async function order(ctx: AsOperator, input: For, kind: "erasure" | "export") {
  const user = await findUser(ctx, input.user);
  if (!user) throw new AppError("not_found", `there is no user ${input.user}`);
  const request = await (kind === "erasure" ? beginErasure : beginExport)(ctx, user.id);
  await noteAct(ctx, `personal.${kind}`, request.id, input);
  return request;
}

async function search(ctx: AsOperator, input: z.infer<typeof SearchUser>) {
  const { user } = input;
  const found = await findUser(ctx, user);
  if (!found && !idForm.test(user))
    throw new AppError("not_found", `there is no user ${user}; of whoever is erased, give the id`);
  const id = found?.id ?? user;
  const handle = input.handle ?? found?.handle;
  const email = input.email ?? (await emailOf(ctx, id));
  const traces = await findTraces(ctx, { id, handle, email });
  return { userId: id, handle: handle ?? null, email: email ?? null, ...traces };
}

// Within the deadline of any call, however many keys there are.
const rewrapForMs = 3_000;

async function rewrap(ctx: AsOperator, why: Pick<For, "reason" | "incident">) {
  await noteAct(ctx, "personal.rewrap", "user-keys", why);
  const until = performance.now() + rewrapForMs;
  let last = { done: 0, left: 0 };
  for await (const progress of rewrapKeys(ctx)) {
    last = progress;
    if (performance.now() > until) break;
  }
  return last;
}

export const operatorPersonal = {
  personal: {
    erase: operatorProcedure
      .meta({ rest: "POST /users/{user}/erase", status: 202, role: "admin", summary: "Erase a user" })
      .input(ForUser)
      .output(PersonalRequest)
      .mutation(({ ctx, input }) => order(ctx, input, "erasure")),
    export: operatorProcedure
      .meta({
        rest: "POST /users/{user}/export",
        status: 202,
        role: "admin",
        summary: "Export a user's data",
      })
      .input(ForUser)
      .output(PersonalRequest)
      .mutation(({ ctx, input }) => order(ctx, input, "export")),
    list: operatorProcedure
      .meta({
        rest: "GET /personal-requests",
        role: "admin",
        summary: "Exports and erasures, newest first: of everyone, or of one who is still there",
      })
      .input(RequestQuery)
      .output(RequestList)
      .query(({ ctx, input }) => listRequests(ctx, input)),
    read: operatorProcedure
      .meta({
        rest: "GET /personal-requests/{id}",
        role: "admin",
        summary: "How far an export or erasure is",
      })
      .input(ByRequest)
      .output(PersonalRequest)
      .query(({ ctx, input }) => readRequest(ctx, input)),
    search: operatorProcedure
      .meta({
        rest: "GET /users/{user}/traces",
        role: "admin",
        timeoutMs: 60_000,
        summary: "Where anything of a user is kept",
      })
      .input(SearchUser)
      .output(Traces)
      .query(({ ctx, input }) => search(ctx, input)),
    rewrap: operatorProcedure
      .meta({
        rest: "POST /user-keys/rewrap",
        role: "admin",
        summary:
          "After a new master key was put first: wrap users' keys with it, for some seconds; again while any are left",
      })
      .input(ForUser.pick({ reason: true, incident: true }))
      .output(Rewrapped)
      .mutation(({ ctx, input }) => rewrap(ctx, input)),
  },
} satisfies TRPCRouterRecord;
