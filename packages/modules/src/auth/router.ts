import type { TRPCRouterRecord } from "@trpc/server";
import { guestProcedure } from "../trpc.ts";
import { login, refresh, register } from "./auth.ts";
import { Login, Refresh, Register, SignedIn } from "./schema.ts";

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
  },
} satisfies TRPCRouterRecord;
