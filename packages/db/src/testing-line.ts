// A line to Postgres that a test can cut, at any byte, or hold.

import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

export type Line = {
  url: string;
  /** Every connection ends now; new ones are taken. */
  cut(): void;
  /** Each new connection ends after so many bytes, counted over both ways. Undefined: none does. */
  budget: (() => number) | undefined;
  /** Whether a connection ends as a broken one does, or politely. */
  rude: () => boolean;
  /** Nothing passes and nothing ends, as with a server that stands still. */
  hold(): void;
  release(): void;
  away(): Promise<void>;
  back(): Promise<void>;
};

/** A line to Postgres that can be cut. */
export async function openLine(context: TestContext, target: string): Promise<Line> {
  const { hostname, port } = new URL(target);
  const cuts = new Set<() => void>();
  const ends = new Set<Socket>();
  let isHeld = false;
  const take = (near: Socket) => {
    const far = connect(Number(port), hostname);
    let left = line.budget?.() ?? Number.POSITIVE_INFINITY;
    const rude = line.rude();
    const cut = () => {
      cuts.delete(cut);
      ends.delete(near);
      ends.delete(far);
      far.destroy();
      if (rude) near.resetAndDestroy();
      else near.destroy();
    };
    cuts.add(cut);
    const pass = (from: Socket, to: Socket) =>
      from
        .on("error", cut)
        .on("close", cut)
        .on("data", (bytes) => {
          if (bytes.length < left) {
            left -= bytes.length;
            to.write(bytes);
            return;
          }
          to.write(bytes.subarray(0, left), cut);
          left = 0;
        });
    pass(near, far);
    pass(far, near);
    for (const end of [near, far]) {
      ends.add(end);
      if (isHeld) end.pause();
    }
  };
  const server = createServer(take);
  const listen = (at: number) => new Promise<void>((resolve) => server.listen(at, "127.0.0.1", resolve));
  await listen(0);
  const url = new URL(target);
  url.port = String((server.address() as { port: number }).port);
  const line: Line = {
    url: url.href,
    budget: undefined,
    rude: () => false,
    cut: () => {
      for (const cut of cuts) cut();
    },
    hold() {
      isHeld = true;
      for (const end of ends) end.pause();
    },
    release() {
      isHeld = false;
      for (const end of ends) end.resume();
    },
    async away() {
      const closed = new Promise((resolve) => server.close(resolve));
      line.cut();
      await closed;
    },
    back: () => listen(Number(url.port)),
  };
  context.after(() => {
    server.close();
    line.cut();
  });
  return line;
}
