import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { Switches } from "./switches.tsx";

export default async function SwitchesPage() {
  const { trpc, prefetch } = await operator();
  const state = await prefetch(
    // The switches themselves come with the frame around every page.
    trpc.proposals.list.queryOptions({}),
    trpc.reviews.list.queryOptions({}),
    trpc.schedules.list.queryOptions({}),
    trpc.signals.golden.queryOptions({ window: "30s", by: "endpoint" }),
  );
  return (
    <HydrationBoundary state={state}>
      <Switches />
    </HydrationBoundary>
  );
}
