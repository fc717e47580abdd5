import { HydrationBoundary } from "@tanstack/react-query";
import { cookies } from "next/headers";
import { operator } from "@/operator.ts";
import { Providers } from "@/providers.tsx";
import { readTheme, themeCookie } from "@/theme.ts";
import { Shell } from "./shell.tsx";

export default async function BoxLayout({ children }: { children: React.ReactNode }) {
  const { trpc, prefetch } = await operator();
  const state = await prefetch(trpc.session.read.queryOptions(), trpc.switches.list.queryOptions({}));
  return (
    <Providers>
      <HydrationBoundary state={state}>
        <Shell theme={readTheme((await cookies()).get(themeCookie)?.value)}>{children}</Shell>
      </HydrationBoundary>
    </Providers>
  );
}
