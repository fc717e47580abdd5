// What a process consumes, and a partition of it that it holds just now.

import type { ConsumeOptions, Handler } from "./bus.ts";
import type { Lane } from "./lane.ts";
import type { Lease } from "./leases.ts";

export type Subscription = { group: string; handler: Handler; options: Required<ConsumeOptions> };

export type Holding = {
  subscription: Subscription;
  lease: Lease;
  leasedUntil: number;
  epoch: string | undefined;
  lane: Lane | undefined;
  stopping: boolean;
  saved: string;
};
