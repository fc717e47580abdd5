// What a dialog was opened on, also once the change itself has taken it out of its list: who confirmed it is still to be read.

"use client";

import { useState } from "react";

export function useHeld<Item>(name: string | null, found: Item | undefined): Item | undefined {
  const [held, setHeld] = useState<{ name: string | null; item: Item } | undefined>();
  if (found !== undefined && (held?.name !== name || held.item !== found)) setHeld({ name, item: found });
  if (found !== undefined) return found;
  return name !== null && held?.name === name ? held.item : undefined;
}
