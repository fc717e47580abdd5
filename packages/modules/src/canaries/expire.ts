// What of a canary goes by age: its counts, slot by slot. What was decided stays, with all that it was decided upon.

import { createCanaryStore } from "@signalbox/control/canary/store";
import { type Holding, untilNone } from "../holding.ts";

const dayMs = 86_400_000;

export const canaryCounts: Pick<Holding, "name" | "kept" | "expire"> = {
  name: "canaries",
  kept: { counts: "30 days after it was judged last, or as the number canaries.slotDays says" },
  expire: [
    {
      name: "counts",
      run({ sql, live, now }) {
        const nowMs = now().getTime();
        const { canaries } = live.current();
        const before = new Date(nowMs - live.rules().number("canaries.slotDays", nowMs) * dayMs);
        const store = createCanaryStore(sql);
        return untilNone(async (limit) => ({
          count: await store.prune(before, Object.keys(canaries), limit),
        }));
      },
    },
  ],
};
