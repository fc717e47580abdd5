import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { Caches } from "./caches.tsx";

export default async function CachesPage() {
  const { trpc, prefetch } = await operator();
  const state = await prefetch(trpc.caches.list.queryOptions({}));
  return (
    <HydrationBoundary state={state}>
      <Caches />
    </HydrationBoundary>
  );
}
