// Live streams as server-sent events. What a reader does not take is not kept for him: his stream waits, and after a while it is cut.

import type { ServerResponse } from "node:http";
import type { AsUser, Ctx } from "@signalbox/modules/ctx";
import { FeedItem } from "@signalbox/modules/feed/schema";
import type { LiveEvent } from "@signalbox/modules/live";
import type { Shapes } from "@signalbox/modules/shapes";
import { cross, enter } from "@signalbox/modules/trpc";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

type Options = {
  prefix: string;
  /** What this version shows differently. */
  shapes: Shapes;
  createCtx: (request: FastifyRequest) => Promise<Ctx> | Ctx;
  /** How long a reader may leave what he was sent unread. */
  patienceMs?: number;
};

const name = "feed.live.watch";
const meta = { auth: "user" } as const;
/** After its last word; then the socket is taken away from who still reads nothing. */
const lingerMs = 10_000;

export function liveRoutes(
  app: FastifyInstance,
  { prefix, shapes, createCtx, patienceMs = 10_000 }: Options,
): void {
  const present = shapes.get(FeedItem)?.present as ((item: unknown) => unknown) | undefined;
  const show = (event: LiveEvent) =>
    event.event === "post" && present ? { ...event, data: present(event.data) } : event;

  app.get(`${prefix}/feed/live`, { exposeHeadRoute: false }, async (request, reply) => {
    const ctx = await createCtx(request);
    ctx.requestId = request.id;
    const left = new AbortController();
    reply.raw.once("close", () => left.abort());
    const from = request.headers["last-event-id"] ?? (request.query as { lastEventId?: string }).lastEventId;
    const events = await enter(ctx, name, meta, (ctx) =>
      cross(ctx, { name, meta, type: "subscription", raw: () => undefined }, (ctx) =>
        ctx.streams!.open(ctx as AsUser, from === undefined ? undefined : String(from), left.signal),
      ),
    );
    await send(reply, ctx, events, { show, patienceMs, left });
  });
}

async function send(
  reply: FastifyReply,
  { answer }: Ctx,
  events: AsyncGenerator<LiveEvent>,
  {
    show,
    patienceMs,
    left,
  }: { show: (event: LiveEvent) => LiveEvent; patienceMs: number; left: AbortController },
): Promise<void> {
  reply.hijack();
  const { raw } = reply;
  raw.on("error", () => {});
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    ...answer.headers,
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  });
  raw.write(`retry: ${500 + Math.floor(Math.random() * 1_500)}\n\n`);
  for await (const event of events) {
    if (raw.write(textOf(show(event))) || (await drained(raw, patienceMs))) continue;
    raw.write(
      textOf({
        event: "end",
        data: { code: "slow", detail: "you read slower than there is news", retryMs: 2_000 },
      }),
    );
    break;
  }
  raw.end();
  // Whoever takes nothing at all would hold the socket for ever.
  const timer = setTimeout(() => raw.destroy(), lingerMs).unref();
  raw.once("close", () => clearTimeout(timer));
  left.signal.addEventListener("abort", () => clearTimeout(timer));
}

/** False: it took too long. A reader who left needs no more. */
function drained(raw: ServerResponse, patienceMs: number): Promise<boolean> {
  if (raw.destroyed) return Promise.resolve(true);
  return new Promise((resolve) => {
    const done = (isDrained: boolean) => {
      clearTimeout(timer);
      raw.off("drain", yes).off("close", yes);
      resolve(isDrained);
    };
    const yes = () => done(true);
    const timer = setTimeout(() => done(false), patienceMs);
    raw.once("drain", yes).once("close", yes);
  });
}

function textOf(event: LiveEvent): string {
  if (event.event === "beat") return ":\n\n";
  const id = "id" in event ? `id: ${event.id}\n` : "";
  const retry =
    event.event === "end" && event.data.retryMs > 0 ? `retry: ${Math.ceil(event.data.retryMs)}\n` : "";
  return `${id}${retry}event: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`;
}
