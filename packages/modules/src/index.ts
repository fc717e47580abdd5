// The one list of domains: their procedures and their jobs. api and workers read it and need no change for a new one.

import * as auth from "./auth/index.ts";
import { type Catalogue, createCatalogue } from "./catalogue.ts";
import * as feed from "./feed/index.ts";
import * as moderation from "./moderation/index.ts";
import * as notifications from "./notifications/index.ts";
import * as personal from "./personal/index.ts";
import { continueRun } from "./read-models/index.ts";
import * as switches from "./switches/index.ts";
import { createRouter } from "./trpc.ts";
import * as users from "./users/index.ts";
import type { AnyWork } from "./work.ts";

/** What all of this can be switched and limited by. */
export const catalogue: () => Catalogue = createCatalogue(() => ({
  router: appRouter,
  jobs,
  askedWork,
  work,
}));

export const appRouter = createRouter({
  auth: auth.router,
  users: users.router,
  feed: feed.router,
  personal: personal.router,
  moderation: moderation.router,
  notifications: notifications.router,
  switches: switches.createSwitchRouter(catalogue),
});
export type AppRouter = typeof appRouter;

/** What is done on queues. */
export const work = [...auth.work, ...feed.work, ...personal.work] as unknown as AnyWork[];

/** What people asked for, one after the other: it is kept in the database, and not on a queue. */
export const askedWork = [
  { name: "personal.request.run", next: personal.runNextRequest },
  { name: "readmodels.run.continue", next: continueRun },
];

export const jobs = [...auth.jobs, ...users.jobs, ...feed.jobs, ...notifications.jobs];
