// An instant as distance from now, with the exact time behind it; `bare` where the heading says that it is a span.

"use client";

import { ago, duration, until } from "./format.ts";
import { useNow } from "./now.ts";

export function Moment({
  at,
  future = false,
  bare = false,
}: {
  at: string;
  future?: boolean;
  bare?: boolean;
}) {
  const now = useNow();
  const instant = Date.parse(at);
  return (
    <time
      dateTime={at}
      title={now === 0 ? undefined : new Date(instant).toLocaleString("en-GB", { timeZoneName: "short" })}
    >
      {now === 0 ? "…" : bare ? duration(now - instant) : future ? until(instant, now) : ago(instant, now)}
    </time>
  );
}
