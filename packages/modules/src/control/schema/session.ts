// An operator's session.

import { z } from "zod";

export const OpenSession = z.object({ token: z.string().min(1).max(2_000) });
export const Operator = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(["viewer", "operator", "admin"]),
});
export const Session = z.object({ operator: Operator, expiresAt: z.string().nullable() });
