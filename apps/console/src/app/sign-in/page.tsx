import type { Metadata } from "next";
import { cookies, headers } from "next/headers";
import { safeNext } from "@/url-state.ts";
import { SignIn } from "./sign-in.tsx";

export const metadata: Metadata = { title: "Sign in" };

export default async function SignInPage({ searchParams }: { searchParams: Promise<{ next?: string }> }) {
  const { next } = await searchParams;
  const from = (await headers()).get("sec-fetch-site");
  return (
    <SignIn
      next={safeNext(next ?? (await cookies()).get("sb_next")?.value)}
      sentFromElsewhere={from === "cross-site"}
    />
  );
}
