// Hearing what is published on a channel, over a connection of its own that comes back by itself.

import { patient, type Redis } from "./redis.ts";

export function listen(
  redis: Redis,
  channel: string,
  on: { message(text: string): void; ready?(): void },
): { readonly connected: boolean; close(): void } {
  const subscriber = redis.isCluster
    ? redis.duplicate()
    : redis.duplicate({ ...patient, lazyConnect: false });
  let connected = false;
  subscriber.on("error", () => {});
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
