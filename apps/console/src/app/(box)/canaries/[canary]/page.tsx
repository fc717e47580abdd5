import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { CanaryView } from "./canary.tsx";

export default async function CanaryPage({ params }: { params: Promise<{ canary: string }> }) {
  const id = decodeURIComponent((await params).canary);
  const { trpc, prefetch } = await operator();
  const state = await prefetch(trpc.canaries.read.queryOptions({ id }));
  return (
    <HydrationBoundary state={state}>
      <CanaryView id={id} />
    </HydrationBoundary>
  );
}
