// Hearing what is published on a channel, over a connection of its own that comes back by itself.

import { connectAnother, patient, type Redis } from "./redis.ts";

export function listen(
  redis: Redis,
  channel: string,
  on: { message(text: string): void; ready?(): void },
): { readonly connected: boolean; close(): void } {
  const subscriber = connectAnother(redis, patient);
  let connected = false;
  subscriber.on("message", (_channel, text) => on.message(text));
  subscriber.on("close", () => {
    connected = false;
  });
  let again: NodeJS.Timeout | undefined;
  const subscribe = () => {
    clearTimeout(again);
    subscriber.subscribe(channel).then(
      () => {
        connected = true;
        on.ready?.();
      },
      // Refused, as by rules of access that somebody changed; a connection that is lost comes back with another try.
      () => {
        again = setTimeout(() => subscriber.status === "ready" && subscribe(), 1_000 + Math.random() * 1_000);
        again.unref();
      },
    );
  };
  // What was said while the connection was lost is gone: this is where to catch up.
  subscriber.on("ready", subscribe);
  return {
    get connected() {
      return connected;
    },
    close() {
      clearTimeout(again);
      subscriber.disconnect();
    },
  };
}
