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
  // ioredis subscribes again by itself after a reconnect, but what was said meanwhile is lost: `ready` is where to catch up.
  subscriber.on("ready", () => {
    subscriber.subscribe(channel).then(
      () => {
        connected = true;
        on.ready?.();
      },
      () => {},
    );
  });
  return {
    get connected() {
      return connected;
    },
    close: () => subscriber.disconnect(),
  };
}
