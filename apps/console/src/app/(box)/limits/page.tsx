import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { Limits } from "./limits.tsx";

export default async function LimitsPage() {
  const { trpc, prefetch } = await operator();
  const state = await prefetch(
    trpc.limits.list.queryOptions({}),
    trpc.signals.golden.queryOptions({ window: "5m", by: "endpoint" }),
  );
  return (
    <HydrationBoundary state={state}>
      <Limits />
    </HydrationBoundary>
  );
}
