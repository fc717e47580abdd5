// An instant as distance from now, with the exact time behind it.

"use client";

import { ago, until } from "./format.ts";
import { useNow } from "./now.ts";

export function Moment({ at, future = false }: { at: string; future?: boolean }) {
  const now = useNow();
  const instant = Date.parse(at);
  return (
    <time
      dateTime={at}
      title={now === 0 ? undefined : new Date(instant).toLocaleString("en-GB", { timeZoneName: "short" })}
    >
      {now === 0 ? "…" : future ? until(instant, now) : ago(instant, now)}
    </time>
  );
}
