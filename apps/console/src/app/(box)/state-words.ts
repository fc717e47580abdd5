// A switch's state in words and as a signal.

import type { SwitchItem } from "@signalbox/modules/control/schema";
import type { Aspect } from "@signalbox/ui/signal-lamp";

type State = Pick<SwitchItem, "state" | "share">;

/** `off`, `off for 25%`, `on`. */
export const stateWords = ({ state, share }: State) =>
  state === "off" ? (share >= 100 ? "off" : `off for ${share}%`) : "on";

export const aspectOf = ({ state, share }: State): Aspect =>
  state === "on" ? "clear" : share >= 100 ? "danger" : "caution";
