import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { Work } from "./work.tsx";

export default async function WorkPage() {
  const { trpc, prefetch } = await operator();
  const state = await prefetch(
    trpc.queues.list.queryOptions({}),
    trpc.deadletters.list.queryOptions({ limit: 100 }),
    trpc.readModels.list.queryOptions({}),
  );
  return (
    <HydrationBoundary state={state}>
      <Work />
    </HydrationBoundary>
  );
}
