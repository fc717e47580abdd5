// A client of live streams as one should be: it comes back by itself, behind the last event that it was given.

import { setTimeout as pause } from "node:timers/promises";

type ServerEvent = { id?: string; event: string; data: string };

export type Listener = {
  /** Ids of posts in the order in which they came. */
  posts: string[];
  ends: string[];
  connections: number;
  stop(): Promise<void>;
};

export function listen(api: () => string, token: string): Listener {
  const left = new AbortController();
  let last: string | undefined;
  const listener: Listener = { posts: [], ends: [], connections: 0, stop: async () => {} };

  function take({ id, event, data }: ServerEvent): void {
    if (id !== undefined) last = id;
    const read = JSON.parse(data);
    if (event === "post") listener.posts.push(read.id);
    if (event === "end") listener.ends.push(read.code);
  }

  async function connect(): Promise<void> {
    const response = await fetch(`${api()}/v1/feed/live`, {
      headers: { authorization: `Bearer ${token}`, ...(last === undefined ? {} : { "last-event-id": last }) },
      signal: left.signal,
    });
    if (response.status !== 200) throw new Error(`the stream answered ${response.status}`);
    listener.connections += 1;
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) {
        const fields = new Map(
          block.split("\n").map((line) => [line.split(":", 1)[0]!, line.slice(line.indexOf(":") + 2)]),
        );
        const id = fields.get("id");
        if (fields.has("data"))
          take({ ...(id ? { id } : {}), event: fields.get("event")!, data: fields.get("data")! });
      }
    }
  }

  const running = (async () => {
    while (!left.signal.aborted) {
      await connect().catch(() => {});
      await pause(100);
    }
  })();
  listener.stop = () => {
    left.abort();
    return running;
  };
  return listener;
}
