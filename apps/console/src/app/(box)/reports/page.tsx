import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { readChoice } from "@/url-state.ts";
import { states } from "./choices.ts";
import { Reports } from "./reports.tsx";

export default async function ReportsPage({
  searchParams,
}: {
  searchParams: Promise<Record<string, string>>;
}) {
  const { trpc, prefetch } = await operator();
  const state = readChoice(states, new URLSearchParams(await searchParams));
  const dehydrated = await prefetch(trpc.cases.list.queryOptions({ state }));
  return (
    <HydrationBoundary state={dehydrated}>
      <Reports />
    </HydrationBoundary>
  );
}
