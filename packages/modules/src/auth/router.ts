import type { TRPCRouterRecord } from "@trpc/server";
import { z } from "zod";
import { Page } from "../page.ts";
import { guestProcedure, userProcedure } from "../trpc.ts";
import { listOwnActivity } from "./activity.ts";
import { login, refresh, register } from "./auth.ts";
import { confirmEnrol, enrol } from "./enrol.ts";
import {
  askForReset,
  askForVerification,
  changeEmail,
  changePassword,
  confirmEmail,
  resetPassword,
  verifyEmail,
} from "./password.ts";
import { changePhone, readPhone } from "./phone.ts";
import {
  ActivityList,
  ByCode,
  ByEmail,
  ByPassword,
  BySession,
  ByToken,
  ChangeEmail,
  ChangePassword,
  ChangePhone,
  ConfirmEnrol,
  ConfirmedFactor,
  EndAll,
  Enrol,
  Login,
  NewFactor,
  OwnPhone,
  Refresh,
  Register,
  ResetPassword,
  SessionList,
  SignedIn,
} from "./schema.ts";
import { confirmFactor, removeFactor, setUpFactor } from "./second-factor.ts";
import { endSession, listSessions, logout, logoutEverywhere } from "./sessions.ts";

export const router = {
  account: {
    register: guestProcedure
      .meta({
        rest: "POST /auth/register",
        priority: "critical",
        status: 201,
        summary: "Make an account and sign in",
      })
      .input(Register)
      .output(SignedIn)
      .mutation(({ ctx, input }) => register(ctx, input)),
  },
  password: {
    forgot: guestProcedure
      .meta({
        rest: "POST /auth/password/forgot",
        status: 202,
        summary: "Ask for a link to choose a new password; the answer is the same for every address",
      })
      .input(ByEmail)
      .output(z.void())
      .mutation(({ ctx, input }) => askForReset(ctx, input)),
    reset: guestProcedure
      .meta({
        rest: "POST /auth/password/reset",
        status: 204,
        summary: "Choose a new password with a mailed token; ends every session",
      })
      .input(ResetPassword)
      .output(z.void())
      .mutation(({ ctx, input }) => resetPassword(ctx, input)),
    change: userProcedure
      .meta({
        rest: "POST /auth/password",
        status: 204,
        summary: "Change your password; ends your other sessions",
      })
      .input(ChangePassword)
      .output(z.void())
      .mutation(({ ctx, input }) => changePassword(ctx, input)),
  },
  email: {
    change: userProcedure
      .meta({
        rest: "POST /auth/email/change",
        status: 202,
        summary: "Mail a token to another address; once confirmed with it, the account has that one",
      })
      .input(ChangeEmail)
      .output(z.void())
      .mutation(({ ctx, input }) => changeEmail(ctx, input)),
    confirm: guestProcedure
      .meta({
        rest: "POST /auth/email/confirm",
        status: 204,
        summary: "Take the new address with the token that was mailed there; the old one is told",
      })
      .input(ByToken)
      .output(z.void())
      .mutation(({ ctx, input }) => confirmEmail(ctx, input)),
    verify: guestProcedure
      .meta({ rest: "POST /auth/email/verify", status: 204, summary: "Prove an address with a mailed token" })
      .input(ByToken)
      .output(z.void())
      .mutation(({ ctx, input }) => verifyEmail(ctx, input)),
    resend: userProcedure
      .meta({
        rest: "POST /auth/email/resend",
        status: 202,
        summary: "Mail another token to prove your address",
      })
      .output(z.void())
      .mutation(({ ctx }) => askForVerification(ctx)),
  },
  phone: {
    read: userProcedure
      .meta({ rest: "GET /auth/phone", summary: "Your phone number; nobody else is shown it" })
      .output(OwnPhone)
      .query(({ ctx }) => readPhone(ctx)),
    change: userProcedure
      .meta({
        rest: "PUT /auth/phone",
        status: 204,
        summary: "Say your phone number, or null to take it away",
      })
      .input(ChangePhone)
      .output(z.void())
      .mutation(({ ctx, input }) => changePhone(ctx, input)),
  },
  secondFactor: {
    setUp: userProcedure
      .meta({ rest: "POST /auth/second-factor", status: 201, summary: "Begin with an authenticator app" })
      .input(ByPassword)
      .output(NewFactor)
      .mutation(({ ctx, input }) => setUpFactor(ctx, input)),
    confirm: userProcedure
      .meta({
        rest: "POST /auth/second-factor/confirm",
        summary: "Show a code of the app: from now on signing in needs one; answers the recovery codes, once",
      })
      .input(ByCode)
      .output(ConfirmedFactor)
      .mutation(({ ctx, input }) => confirmFactor(ctx, input)),
    enrol: guestProcedure
      .meta({
        rest: "POST /auth/second-factor/enrol",
        status: 201,
        summary: "Begin with an authenticator app where signing in needs one and the account has none",
      })
      .input(Enrol)
      .output(NewFactor)
      .mutation(({ ctx, input }) => enrol(ctx, input)),
    confirmEnrol: guestProcedure
      .meta({
        rest: "POST /auth/second-factor/enrol/confirm",
        summary: "Show its code; then sign in with the next one; answers the recovery codes, once",
      })
      .input(ConfirmEnrol)
      .output(ConfirmedFactor)
      .mutation(({ ctx, input }) => confirmEnrol(ctx, input)),
    remove: userProcedure
      .meta({
        rest: "POST /auth/second-factor/remove",
        status: 204,
        summary: "Sign in without a second factor again",
      })
      .input(ByPassword)
      .output(z.void())
      .mutation(({ ctx, input }) => removeFactor(ctx, input)),
  },
  activity: {
    list: userProcedure
      .meta({
        rest: "GET /auth/activity",
        priority: "background",
        summary: "What happened to your account, newest first",
      })
      .input(Page)
      .output(ActivityList)
      .query(({ ctx, input }) => listOwnActivity(ctx, input)),
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
      .meta({
        rest: "DELETE /auth/sessions/{id}",
        status: 204,
        body: true,
        summary: "End one of your sessions",
      })
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
      .input(EndAll)
      .output(z.void())
      .mutation(({ ctx, input }) => logoutEverywhere(ctx, input)),
  },
} satisfies TRPCRouterRecord;
