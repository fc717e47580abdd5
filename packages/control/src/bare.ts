/** A record that has nothing but what was put there: an object's `constructor` is nobody's switch. */
export const bare = <Value>(record: Record<string, Value>): Record<string, Value> =>
  Object.assign(Object.create(null), record);
