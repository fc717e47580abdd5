// The address as state. Changes go through the History API, which Next follows without asking the server.

"use client";

import { usePathname, useSearchParams } from "next/navigation";
import { useCallback } from "react";
import { withParams } from "./url-state.ts";

export function useUrl(defaults?: Record<string, string>) {
  const params = useSearchParams();
  const path = usePathname();
  const set = useCallback(
    (changes: Record<string, string | null>) => {
      // A page that was left a moment ago no longer owns the address.
      if (window.location.pathname !== path) return;
      // The address bar rather than `params`: two changes in one tick must both stay.
      const now = new URLSearchParams(window.location.search);
      window.history.replaceState(null, "", withParams(path, now, changes, defaults));
    },
    [path, defaults],
  );
  return { params, set };
}
