// Whether the signed-in operator's role is enough. The API decides; this only spares a press that it would refuse.

"use client";

import { useQuery } from "@tanstack/react-query";
import { useTRPC } from "@/trpc.ts";

const rank = { viewer: 0, operator: 1, admin: 2 } as const;
export type Role = keyof typeof rank;

/** Undefined while it is not known. */
export function useMay(role: Role): boolean | undefined {
  const trpc = useTRPC();
  const { data } = useQuery(trpc.session.read.queryOptions(undefined, { staleTime: 60_000 }));
  return data && rank[data.operator.role] >= rank[role];
}
