// The one list of modules that hold personal data. A module that is missing here is found by the search for traces.

import { holding as auth } from "../auth/personal.ts";
import { holding as feed } from "../feed/personal.ts";
import type { Holding } from "../holding.ts";
import { holding as notifications } from "../notifications/personal.ts";
import { holding as users } from "../users/personal.ts";
import { platformHolding } from "./platform.ts";

/** In the order in which they are taken away; the platform's own last, as it holds the events of the others. */
export const holdings: Holding[] = [auth, feed, notifications, users, platformHolding];
