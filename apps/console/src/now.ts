// The clock of the page. One timer for all who read it; before hydration there is none, so that server and browser agree.

import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let current = 0;

function subscribe(listener: () => void) {
  listeners.add(listener);
  timer ??= setInterval(() => {
    current = Date.now();
    for (const tell of listeners) tell();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
    current = 0;
  };
}

const read = () => {
  if (current === 0) current = Date.now();
  return current;
};

/** Milliseconds since 1970, renewed each second; 0 while the page is not yet alive. */
export const useNow = () => useSyncExternalStore(subscribe, read, () => 0);
