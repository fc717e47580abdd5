// Column shapes that many tables share.

import { sql } from "drizzle-orm";
import { customType, timestamp } from "drizzle-orm/pg-core";

export const createdAt = () =>
  timestamp("created_at", { withTimezone: true, precision: 3 }).notNull().default(sql`now()`);
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });
export const bytea = customType<{ data: Buffer }>({ dataType: () => "bytea" });
