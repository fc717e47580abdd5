import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { readChoice } from "@/url-state.ts";
import { courseWindow, groupings, spans } from "./choices.ts";
import { Overview } from "./overview.tsx";

export default async function OverviewPage({
  searchParams,
}: {
  searchParams: Promise<Record<string, string>>;
}) {
  const params = new URLSearchParams(await searchParams);
  const { trpc, prefetch } = await operator();
  const window = readChoice(spans, params);
  const state = await prefetch(
    trpc.signals.golden.queryOptions({ window, by: readChoice(groupings, params) }),
    trpc.signals.golden.queryOptions({ window, by: "track" }),
    trpc.signals.course.queryOptions({ window: courseWindow(window) }),
    trpc.services.list.queryOptions({}),
  );
  return (
    <HydrationBoundary state={state}>
      <Overview />
    </HydrationBoundary>
  );
}
