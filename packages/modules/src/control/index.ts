// The operators' API, mounted on a port of its own and never among the public procedures.

import { operatorBackbone } from "../backbone/operator.ts";
import { operatorCanaries } from "../canaries/operator.ts";
import { operatorAccounts } from "../moderation/operator.ts";
import { operatorPersonal } from "../personal/operator.ts";
import { operatorReadModels } from "../read-models/operator.ts";
import { createRouter } from "../trpc.ts";
import { router } from "./router.ts";

export { type ControlPlane, openPlane } from "./plane.ts";
export { streamGolden } from "./sight.ts";

export const operatorRouter = createRouter({
  ...router,
  ...operatorBackbone,
  ...operatorCanaries,
  ...operatorPersonal,
  ...operatorReadModels,
  ...operatorAccounts,
});
export type OperatorRouter = typeof operatorRouter;
