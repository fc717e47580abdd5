import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { Services } from "./services.tsx";

export default async function ServicesPage() {
  const { trpc, prefetch } = await operator();
  const state = await prefetch(
    trpc.services.list.queryOptions({}),
    trpc.dependencies.list.queryOptions({}),
    trpc.shed.list.queryOptions({}),
    trpc.zones.list.queryOptions({}),
    trpc.signals.golden.queryOptions({ window: "30s", by: "version" }),
  );
  return (
    <HydrationBoundary state={state}>
      <Services />
    </HydrationBoundary>
  );
}
