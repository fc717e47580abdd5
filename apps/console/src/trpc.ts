// The operators' procedures as hooks. Only the router's type comes from the platform; no line of it reaches the browser.

"use client";

import { createTRPCContext } from "@trpc/tanstack-react-query";
import type { OperatorRouter } from "./operator-router.ts";

export const { TRPCProvider, useTRPC } = createTRPCContext<OperatorRouter>();
