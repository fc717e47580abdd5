// What every signed-in page stands on: the query client, the procedures, the toasts.

"use client";

import { Toasts } from "@signalbox/ui/toasts";
import { QueryClientProvider } from "@tanstack/react-query";
import { createTRPCClient, httpLink } from "@trpc/client";
import { useState } from "react";
import { faultOf } from "./errors.ts";
import type { OperatorRouter } from "./operator-router.ts";
import { createQueryClient } from "./query-client.ts";
import { TRPCProvider } from "./trpc.ts";

export function Providers({ children }: { children: React.ReactNode }) {
  const [queryClient] = useState(() => createQueryClient(signInWhenRefused));
  // One request a call: a slow one holds up no other, and each takes the API's fast path.
  const [client] = useState(() =>
    createTRPCClient<OperatorRouter>({ links: [httpLink({ url: "/operator/trpc" })] }),
  );
  return (
    <QueryClientProvider client={queryClient}>
      <TRPCProvider trpcClient={client} queryClient={queryClient}>
        <Toasts>{children}</Toasts>
      </TRPCProvider>
    </QueryClientProvider>
  );
}

function signInWhenRefused(error: unknown) {
  if (typeof window === "undefined" || faultOf(error).code !== "unauthorized") return;
  const { pathname, search } = window.location;
  window.location.assign(`/sign-in?next=${encodeURIComponent(pathname + search)}`);
}
