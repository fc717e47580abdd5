import type { TRPCRouterRecord } from "@trpc/server";
import { z } from "zod";
import { Page } from "../page.ts";
import { guestProcedure, userProcedure } from "../trpc.ts";
import { login, refresh, register } from "./auth.ts";
import { BySession, Login, Refresh, Register, SessionList, SignedIn } from "./schema.ts";
import { endSession, listSessions, logout, logoutEverywhere } from "./sessions.ts";

export const router = {
  account: {
    register: guestProcedure
      .meta({ rest: "POST /auth/register", status: 201, summary: "Make an account and sign in" })
      .input(Register)
      .output(SignedIn)
      .mutation(({ ctx, input }) => register(ctx, input)),
  },
  session: {
    create: guestProcedure
      .meta({
        rest: "POST /auth/login",
        priority: "critical",
        summary: "Sign in with a handle or e-mail address",
      })
      .input(Login)
      .output(SignedIn)
      .mutation(({ ctx, input }) => login(ctx, input)),
    refresh: guestProcedure
      .meta({
        rest: "POST /auth/refresh",
        priority: "critical",
        summary: "Trade a refresh token for the next pair",
      })
      .input(Refresh)
      .output(SignedIn)
      .mutation(({ ctx, input }) => refresh(ctx, input)),
    list: userProcedure
      .meta({ rest: "GET /auth/sessions", summary: "Where you are signed in" })
      .input(Page)
      .output(SessionList)
      .query(({ ctx, input }) => listSessions(ctx, input)),
    delete: userProcedure
      .meta({ rest: "DELETE /auth/sessions/{id}", status: 204, summary: "End one of your sessions" })
      .input(BySession)
      .output(z.void())
      .mutation(({ ctx, input }) => endSession(ctx, input)),
    end: guestProcedure
      .meta({
        rest: "POST /auth/logout",
        status: 204,
        priority: "critical",
        summary: "Sign out: end the session of a refresh token",
      })
      .input(Refresh)
      .output(z.void())
      .mutation(({ ctx, input }) => logout(ctx, input)),
    endAll: userProcedure
      .meta({
        rest: "POST /auth/logout-all",
        status: 204,
        priority: "critical",
        summary: "Sign out everywhere",
      })
      .output(z.void())
      .mutation(({ ctx }) => logoutEverywhere(ctx)),
  },
} satisfies TRPCRouterRecord;
