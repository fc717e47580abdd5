// Where people of this install may live: everywhere, unless its operator names the regions it serves.

import { AppError } from "@signalbox/core/errors";
import type { Deps } from "../ctx.ts";

/** For who registers, or changes the region. Who lived elsewhere before the list was made stays. */
export function requireServed({ regions = [] }: Pick<Deps, "regions">, region: string | null): void {
  if (regions.length === 0 || (region !== null && regions.includes(region))) return;
  const message =
    region === null
      ? `is needed: this install serves people who live in ${regions.join(", ")}`
      : `is ${region}, and this install serves people who live in ${regions.join(", ")}`;
  throw new AppError("invalid", `region ${message}`, { errors: [{ field: "region", message }] });
}
