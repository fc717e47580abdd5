import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { Applications } from "./applications.tsx";

export default async function ApplicationsPage() {
  const { trpc, prefetch } = await operator();
  const state = await prefetch(trpc.applications.list.queryOptions({}), trpc.keys.list.queryOptions({}));
  return (
    <HydrationBoundary state={state}>
      <Applications />
    </HydrationBoundary>
  );
}
