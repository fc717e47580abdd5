import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { Canaries } from "./canaries.tsx";

export default async function CanariesPage() {
  const { trpc, prefetch } = await operator();
  const state = await prefetch(trpc.canaries.list.queryOptions({}), trpc.freezes.list.queryOptions({}));
  return (
    <HydrationBoundary state={state}>
      <Canaries />
    </HydrationBoundary>
  );
}
