// How server state is kept: fresh for a moment, asked for again soon, never given up while something is broken.

import { QueryCache, QueryClient } from "@tanstack/react-query";
import { isFinal } from "./errors.ts";

export function createQueryClient(onError?: (error: unknown) => void): QueryClient {
  return new QueryClient({
    queryCache: new QueryCache(onError ? { onError } : {}),
    defaultOptions: {
      queries: {
        staleTime: 2_000,
        retry: (failures, error) => failures < 2 && !isFinal(error),
        retryDelay: (failures) => Math.min(500 * 2 ** failures, 4_000),
        // The API is on this machine or near it: a laptop without a network still reaches it.
        networkMode: "always",
      },
      mutations: { networkMode: "always" },
    },
  });
}
