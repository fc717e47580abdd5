import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { People } from "./people.tsx";

export default async function PeoplePage({
  searchParams,
}: {
  searchParams: Promise<Record<string, string>>;
}) {
  const q = new URLSearchParams(await searchParams).get("q")?.trim();
  const { trpc, prefetch } = await operator();
  const state = q ? await prefetch(trpc.users.list.queryOptions({ q })) : await prefetch();
  return (
    <HydrationBoundary state={state}>
      <People />
    </HydrationBoundary>
  );
}
