// The one list of read models: copies that are made from the truth, and can be made from it again at any time.

import { readModels as feed } from "../feed/index.ts";
import { readModels as users } from "../users/index.ts";
import type { ReadModel } from "./read-model.ts";

export const readModels: ReadModel[] = [...feed, ...users];
