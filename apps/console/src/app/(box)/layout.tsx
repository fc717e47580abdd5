import { HydrationBoundary } from "@tanstack/react-query";
import { cookies, headers } from "next/headers";
import { operator } from "@/operator.ts";
import { Providers } from "@/providers.tsx";
import { readTheme, themeCookie } from "@/theme.ts";
import { earlyInputScript } from "./early-input.ts";
import { Shell } from "./shell.tsx";

export default async function BoxLayout({ children }: { children: React.ReactNode }) {
  const { trpc, prefetch } = await operator();
  const state = await prefetch(trpc.session.read.queryOptions(), trpc.switches.list.queryOptions({}));
  const nonce = /'nonce-([\w-]+)'/.exec((await headers()).get("content-security-policy") ?? "")?.[1];
  return (
    <Providers>
      {/* biome-ignore lint/security/noDangerouslySetInnerHtml: a constant of our own, allowed by its nonce */}
      <script nonce={nonce} dangerouslySetInnerHTML={{ __html: earlyInputScript }} suppressHydrationWarning />
      <HydrationBoundary state={state}>
        <Shell theme={readTheme((await cookies()).get(themeCookie)?.value)}>{children}</Shell>
      </HydrationBoundary>
    </Providers>
  );
}
