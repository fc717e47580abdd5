// How both sides of a canary fared over its life, as a picture needs it: shares from its start until each point.

import { intervalOf } from "@signalbox/control/canary/sequential";
import { createCanaryStore } from "@signalbox/control/canary/store";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import type { CanaryCourse, CourseQuery } from "./schema.ts";

/** More than a picture has room for. */
const spans = 120;

export async function readCourse(
  ctx: AsOperator,
  { id, signal }: z.output<typeof CourseQuery>,
): Promise<CanaryCourse> {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return { items: [], nextCursor: null };
  const rows = await createCanaryStore(ctx.sql).course(id, spans);
  const sum = { stable: { n: 0, x: 0 }, canary: { n: 0, x: 0 } };
  const items = rows.map((row) => {
    const sides = (["stable", "canary"] as const).map((side) => {
      sum[side].n += row[side].n;
      sum[side].x += row[side][signal];
      const { n, x } = sum[side];
      return [side, { n, x, share: n === 0 ? null : x / n, ...intervalOf({ n, x }) }] as const;
    });
    return { at: new Date(row.endMs).toISOString(), stable: sides[0]![1], canary: sides[1]![1] };
  });
  return { items, nextCursor: null };
}
