import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { Audit } from "./audit.tsx";

export default async function AuditPage() {
  const { trpc, prefetch } = await operator();
  const state = await prefetch(trpc.session.read.queryOptions());
  return (
    <HydrationBoundary state={state}>
      <Audit />
    </HydrationBoundary>
  );
}
