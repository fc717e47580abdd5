// The server's side of a page: asks the operator API with the visitor's own cookie and hands the answers to the browser.

import "server-only";
import { dehydrate, type FetchQueryOptions } from "@tanstack/react-query";
import { createTRPCClient, httpLink } from "@trpc/client";
import { createTRPCOptionsProxy } from "@trpc/tanstack-react-query";
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { faultOf } from "./errors.ts";
import type { OperatorRouter } from "./operator-router.ts";
import { operatorUrl } from "./operator-url.ts";
import { createQueryClient } from "./query-client.ts";
import { safeNext } from "./url-state.ts";

/** A page is sent without its figures rather than late. */
const patienceMs = 1_500;

export async function operator() {
  const given = await headers();
  const queryClient = createQueryClient();
  const client = createTRPCClient<OperatorRouter>({
    links: [
      httpLink({
        url: `${operatorUrl()}/operator/trpc`,
        headers: { cookie: given.get("cookie") ?? "", "x-request-id": crypto.randomUUID() },
        fetch: (url, init) =>
          fetch(url, { ...init, cache: "no-store", signal: AbortSignal.timeout(patienceMs) } as RequestInit),
      }),
    ],
  });
  const trpc = createTRPCOptionsProxy<OperatorRouter>({ client, queryClient });

  return {
    trpc,
    /** Whatever could be had goes along; what failed is asked for again by the browser, which also says so. */
    async prefetch(...queries: object[]) {
      const results = await Promise.allSettled(
        queries.map((query) => queryClient.fetchQuery({ ...(query as FetchQueryOptions), retry: false })),
      );
      const refused = results.some(
        (it) => it.status === "rejected" && faultOf(it.reason).code === "unauthorized",
      );
      if (refused) redirect(`/sign-in?next=${encodeURIComponent(safeNext(given.get("x-path")))}`);
      return dehydrate(queryClient);
    },
  };
}
