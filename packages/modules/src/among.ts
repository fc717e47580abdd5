// Which of the ids that were asked about something holds for. Of ids that were not asked about it may say so too.

import { onceFor } from "@signalbox/core/once-for";

export type Among = Pick<ReadonlySet<string>, "has">;

export const none: Among = new Set();

/** Of a list that a cache holds: made once. */
export const among: (ids: readonly string[]) => Among = onceFor((ids) => new Set(ids));
