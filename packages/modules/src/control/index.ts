// The operators' API, mounted on a port of its own and never among the public procedures.

import { createRouter } from "../trpc.ts";
import { router } from "./router.ts";

export { type ControlPlane, openPlane } from "./plane.ts";
export { streamGolden } from "./sight.ts";

export const operatorRouter = createRouter(router);
export type OperatorRouter = typeof operatorRouter;
