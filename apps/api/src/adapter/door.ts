// What both doors are given to ask before they read a body.

import type { Asked, Gate } from "./exchange.ts";
import type { Answered } from "./official.ts";
import type { Procedure } from "./procedure.ts";

/** Without a promise where nothing has to be waited for. */
export type Authenticate = (request: Asked) => Answered | Promise<Answered>;
export type Admit = (procedure: Procedure) => Gate;
