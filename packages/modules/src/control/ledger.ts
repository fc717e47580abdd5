// Who enforces which revision, and who is behind for how long.

import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { pageByKey } from "./list.ts";
import { planeOf } from "./plane.ts";
import type { LedgerItem, OperatorPage } from "./schema.ts";

const cautionMs = 5_000;
const dangerMs = 15_000;

export async function listLedger(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const { live, registry, confirmations } = planeOf(ctx);
  const [instances, words] = await Promise.all([registry.list(), confirmations.ledger()]);
  const { revision, pending, overridden } = live.status();
  const known = instances
    ?.filter((instance) => instance.revision !== null)
    .map(({ id, revision }) => {
      const word = words?.get(id);
      return {
        instance: id,
        revision: Math.max(word?.revision ?? -1, revision ?? -1),
        overridden: word?.overridden ?? [],
      };
    });
  const own = { instance: ctx.instance.id, revision, overridden };
  const outForMs = Date.now() - live.status().since;
  const items = (known ?? [own]).map((one): LedgerItem => {
    const isBehind = one.revision < revision;
    const behindMs = isBehind ? outForMs : null;
    const aspect =
      behindMs === null || behindMs < cautionMs ? "clear" : behindMs < dangerMs ? "caution" : "danger";
    return { ...one, isBehind, behindMs, aspect };
  });
  return {
    ...pageByKey(
      "ledger",
      items.sort((a, b) => (a.instance < b.instance ? -1 : 1)),
      page,
      ({ instance }) => instance,
    ),
    revision,
    pending,
    expected: known ? known.length : null,
    confirmed: items.filter(({ isBehind }) => !isBehind).length,
  };
}
