// A process's own word on how it is.

import type { ServiceItem } from "@signalbox/modules/control/schema";
import type { Aspect } from "@signalbox/ui/signal-lamp";

export const healthWords: Record<ServiceItem["health"], { aspect: Aspect; word: string }> = {
  pass: { aspect: "clear", word: "Healthy" },
  warn: { aspect: "caution", word: "Degraded" },
  fail: { aspect: "danger", word: "Failing" },
};
