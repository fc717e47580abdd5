import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { PersonView } from "./person.tsx";

export default async function PersonPage({ params }: { params: Promise<{ user: string }> }) {
  const user = decodeURIComponent((await params).user);
  const { trpc, prefetch } = await operator();
  const state = await prefetch(
    trpc.users.read.queryOptions({ user }),
    trpc.sessions.list.queryOptions({ user, limit: 50 }),
    trpc.activity.list.queryOptions({ user, limit: 50 }),
  );
  return (
    <HydrationBoundary state={state}>
      <PersonView user={user} />
    </HydrationBoundary>
  );
}
