export { postCreated, postDeleted } from "./events.ts";
export { jobs } from "./jobs.ts";
export { router } from "./router.ts";
