// The archive of an export: bytes, so it is no procedure, but it passes the same door.

import { AppError } from "@signalbox/core/errors";
import type { Ctx } from "@signalbox/modules/ctx";
import { readArchive } from "@signalbox/modules/personal";
import { cross, enter } from "@signalbox/modules/trpc";
import type { FastifyInstance } from "fastify";
import type { Asked } from "../adapter/exchange.ts";

type Options = {
  path: string;
  auth: "user" | "operator";
  createCtx: (request: Asked) => Promise<Ctx> | Ctx;
};

const name = "personal.archive.read";
const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function archiveRoutes(app: FastifyInstance, { path, auth, createCtx }: Options): void {
  const meta = auth === "operator" ? ({ auth, role: "admin" } as const) : { auth };
  app.get(path, async (request, reply) => {
    const ctx = await createCtx(request);
    ctx.requestId = request.id;
    const { id } = request.params as { id: string };
    const archive = await enter(ctx, name, meta, (ctx) => {
      if (!idForm.test(id)) throw new AppError("not_found", "there is no request under this id");
      return cross(ctx, { name, meta, type: "query", raw: () => id }, (ctx) => readArchive(ctx, id));
    });
    return reply
      .headers(ctx.answer.headers)
      .headers({
        "content-type": "application/gzip",
        "content-disposition": `attachment; filename="signalbox-export-${id.slice(0, 8)}.tar.gz"`,
        "cache-control": "private, no-store",
      })
      .send(archive);
  });
}
