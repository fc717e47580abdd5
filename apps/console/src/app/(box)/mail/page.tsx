import { HydrationBoundary } from "@tanstack/react-query";
import { operator } from "@/operator.ts";
import { Mailbox } from "./mailbox.tsx";

export default async function MailPage() {
  const { trpc, prefetch } = await operator();
  const state = await prefetch(trpc.mailbox.list.queryOptions({}));
  return (
    <HydrationBoundary state={state}>
      <Mailbox />
    </HydrationBoundary>
  );
}
