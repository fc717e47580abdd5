// The one list of what modules keep in the cache, so that operators see all of it before the first request.

import { entities as feed } from "./feed/cached.ts";
import { entities as users } from "./users/cached.ts";

export const entities = [...users, ...feed];
