// What a limit counts, and which calls fall under it.

import type { Golden, LimitItem } from "@signalbox/modules/control/schema";
import { covers } from "../switches/switch-groups.ts";

/** Those that are not what their key says. */
const meanings: Record<string, string> = {
  user: "All calls of one user",
  address: "All calls from one address",
  "auth.session.create": "Failed sign-ins of one account",
  "auth.mail": "Mails to one address",
};

const each: Record<LimitItem["by"], string> = {
  caller: "Calls of one caller",
  address: "Calls from one address",
  account: "Tries on one account",
};

export const countsWhat = ({ key, by }: Pick<LimitItem, "key" | "by">) => meanings[key] ?? each[by];

/** Calls below a limit in the golden signals; undefined where it is not calls that it counts, or nothing is known. */
export function callsBelow(key: string, golden: Golden | undefined) {
  if (!golden || key === "auth.mail") return undefined;
  const items = golden.items.filter((item) => key === "user" || key === "address" || covers(key, item.key));
  const sum = (pick: (item: Golden["items"][number]) => number) =>
    items.reduce((all, item) => all + pick(item), 0);
  return { rps: sum(({ rps }) => rps), refused: sum(({ refused }) => refused) };
}
