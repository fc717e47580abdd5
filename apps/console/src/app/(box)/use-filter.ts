// What is typed into a page's filter, kept in its address too.

"use client";

import { useState } from "react";
import { useUrl } from "@/use-url.ts";

export function useFilter(): [typed: string, filter: (text: string) => void] {
  const { params, set } = useUrl();
  const [typed, setTyped] = useState(params.get("q") ?? "");
  return [
    typed,
    (text) => {
      setTyped(text);
      set({ q: text.trim() });
    },
  ];
}
